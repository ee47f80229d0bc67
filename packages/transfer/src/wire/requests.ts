import { quoted, type FilerError, type Message } from '@filer/protocol';
import { send, type Channel } from './channel.ts';
import { lastWord, outOfPlace } from './ending.ts';

interface Waiting {
  /** Of the answer. */
  readonly type: string;
  take(answer: Message): void;
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

  /**
   * @param type of the answer
   * @param take reads the answer before the message that follows it is looked at
   * @throws FilerError the other side's, or that of `fail`
   */
  async ask<T>(type: string, format: (id: string) => Message, take: (answer: Message) => T): Promise<T> {
    const id = String(++this.#lastId);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.set(id, { type, take: (answer) => resolve(take(answer)), reject });
    const [taken] = await Promise.all([promise, send(this.#channel, format(id))]);
    return taken;
  }

  /** Takes an answer, or an `error` that is one. @throws FilerError `unexpected-message`, what `take` throws */
  answered(message: Message): void {
    const { type = '', re = '' } = message.header;
    const waiting = this.#waiting.get(re);
    if (waiting === undefined || (type !== waiting.type && type !== 'error'))
      throw outOfPlace(`${type} with re ${JSON.stringify(quoted(re))}`);
    if (type === 'error') waiting.reject(lastWord(message.header, this.#channel));
    else waiting.take(message); // it waits still when that throws, and fails with the transfer
    this.#waiting.delete(re);
  }

  /** No one answers any more. */
  fail(error: FilerError): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
