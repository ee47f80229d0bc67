import type { FilerError, Message } from '@filer/protocol';
import { send, type Channel } from './channel.ts';
import { lastWord, outOfPlace } from './ending.ts';

interface Waiting {
  resolve(message: Message): void;
  reject(error: FilerError): void;
}

/** Questions over a channel that someone else reads: `id` numbers a question, `re` its answer. */
export class Requests {
  readonly #channel: Channel;
  readonly #waiting = new Map<string, Waiting>();
  #lastId = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** @throws FilerError the other side's, or that of `fail` */
  async ask(format: (id: string) => Message): Promise<Message> {
    const id = String(++this.#lastId);
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.#waiting.set(id, { resolve, reject });
    const [answer] = await Promise.all([promise, send(this.#channel, format(id))]);
    return answer;
  }

  /** Takes an answer, or an `error` that is one. @throws FilerError `unexpected-message` */
  answered(message: Message): void {
    const re = message.header['re'] ?? '';
    const waiting = this.#waiting.get(re);
    if (waiting === undefined) throw outOfPlace(`an answer to ${JSON.stringify(re)}`);
    this.#waiting.delete(re);
    if (message.header['type'] === 'error') waiting.reject(lastWord(message.header));
    else waiting.resolve(message);
  }

  /** Nobody answers any more. */
  fail(error: FilerError): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
