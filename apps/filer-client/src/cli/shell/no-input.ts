import { Readable } from 'node:stream';
import { FilerError } from '@filer/protocol';

export const NO_INPUT = 'standard input is that of the shell: run this command outside of it';

/** The standard input of a command in the shell, whose own input are the lines that are typed. */
export class NoInput extends Readable {
  override _read(): void {
    this.destroy(new FilerError('usage', NO_INPUT));
  }
}
