/**
 * Our own sentences name commands by the full name of their program, in backquotes or behind two spaces:
 * ``run `filer-client retry JOB` ``. A person reads them under the name that was typed.
 */
export class CalledName {
  readonly #quoted: RegExp | undefined;
  readonly #any: RegExp | undefined;
  readonly #calledAs: string;

  /** @param program its full name @param calledAs what a person types for it */
  constructor(program: string, calledAs: string) {
    this.#calledAs = calledAs;
    if (program === calledAs) return;
    this.#quoted = new RegExp(`(?<=\`)${program}(?= [a-z]|\`)`, 'g');
    this.#any = new RegExp(`(?<=\`| {2})${program}(?= [a-z]|\`)`, 'g');
  }

  /** Of data, which has columns of its own: commands in backquotes alone. */
  inData(text: string): string {
    return this.#quoted === undefined ? text : text.replace(this.#quoted, this.#calledAs);
  }

  inWords(text: string): string {
    return this.#any === undefined ? text : text.replace(this.#any, this.#calledAs);
  }
}
