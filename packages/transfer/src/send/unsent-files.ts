import { formatUnsent, type FilerError, type Unsent } from '@filer/protocol';
import { send, type Channel } from '../wire/channel.ts';
import type { SendOptions } from './send-options.ts';

/** What cannot go, or is left out: observers hear of it, and so does a receiver that asked for the files. */
export class UnsentFiles {
  readonly #channel: Channel;
  readonly #options: Pick<SendOptions, 'tellsUnsent' | 'on'>;
  /** Those that the receiver does not know yet. */
  readonly #untold: Unsent[] = [];

  constructor(channel: Channel, options: Pick<SendOptions, 'tellsUnsent' | 'on'>) {
    this.#channel = channel;
    this.#options = options;
  }

  /** @param error why; undefined where a rule of the sender leaves it out */
  leftOut(file: string, name: string, error: FilerError | undefined): void {
    if (error !== undefined) this.#add(name, error, true);
    const why = error === undefined ? {} : { why: error.message };
    this.#options.on?.({ type: 'left-out', file, name, ...why });
  }

  failed(name: string, error: FilerError): void {
    this.#add(name, error, false);
  }

  /** Tells the receiver of those that it does not know of. */
  async tell(): Promise<void> {
    for (const each of this.#untold.splice(0)) await send(this.#channel, formatUnsent(each));
  }

  #add(path: string, { code, message }: FilerError, leftOut: boolean): void {
    if (this.#options.tellsUnsent === true) this.#untold.push({ path, code, message, leftOut });
  }
}
