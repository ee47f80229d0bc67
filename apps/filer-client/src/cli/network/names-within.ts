/** As many names as fit into a line, and how many more there are: `bob, carol and 37 more`. */
export function namesWithin(names: readonly string[], columns: number): string {
  if (names.length === 0) return 'none';
  const whole = names.join(', ');
  if (whole.length <= columns) return whole;
  let shown = names.length - 1;
  const cut = (): string => `${names.slice(0, shown).join(', ')} and ${names.length - shown} more`;
  while (shown > 1 && cut().length > columns) shown--;
  return cut();
}
