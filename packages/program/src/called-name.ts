/** Notes, names and values, as a line has them: up to its last quote, since what is quoted may have quotes in it. */
const OTHERS = String.raw`"[^\n]*"`;

/**
 * Our own sentences name commands by the full name of their program, in backquotes or behind two spaces:
 * ``run `filer-client retry JOB` ``. A person reads them under the name that was typed. What stands in double quotes is somebody else's.
 */
export class CalledName {
  readonly #quoted: RegExp | undefined;
  readonly #any: RegExp | undefined;
  readonly #calledAs: string;

  /** @param program its full name @param calledAs what a person types for it */
  constructor(program: string, calledAs: string) {
    this.#calledAs = calledAs;
    if (program === calledAs) return;
    this.#quoted = new RegExp(`${OTHERS}|(?<=\`)${program}(?= [a-z]|\`)`, 'g');
    this.#any = new RegExp(`${OTHERS}|(?<=\`| {2})${program}(?= [a-z]|\`)`, 'g');
  }

  /** Of data, which has columns of its own: commands in backquotes alone. */
  inData(text: string): string {
    return this.#named(text, this.#quoted);
  }

  inWords(text: string): string {
    return this.#named(text, this.#any);
  }

  #named(text: string, commands: RegExp | undefined): string {
    if (commands === undefined) return text;
    return text.replace(commands, (found) => (found.startsWith('"') ? found : this.#calledAs));
  }
}
