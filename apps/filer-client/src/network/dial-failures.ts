/** Why each address failed; addresses with the same reason are told together. */
export function reasonsInWords(failures: readonly { readonly message: string }[]): string {
  const whole: string[] = [];
  const addresses = new Map<string, string[]>();
  for (const { message } of failures) {
    const { address = '', why = '' } =
      /^cannot connect to (?<address>\S+): (?<why>.+)$/s.exec(message)?.groups ?? {};
    if (why === '') whole.push(message);
    else addresses.set(why, [...(addresses.get(why) ?? []), address]);
  }
  const grouped = [...addresses].map(([why, all]) => `cannot connect to ${all.join(', ')}: ${why}`);
  return [...grouped, ...new Set(whole)].join('; ');
}
