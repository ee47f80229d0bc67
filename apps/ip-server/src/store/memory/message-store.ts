import { MESSAGES_KEPT_PER_SENDER, type HandedText, type MessageStore } from '../message-store.ts';

/** Texts to many, in memory. */
export class MemoryMessageStore implements MessageStore {
  #kept: HandedText[] = [];

  async add(text: HandedText): Promise<void> {
    this.#kept.push(text);
    const ofSender = this.#kept.filter(({ from }) => from === text.from);
    const [oldest] = ofSender.slice(0, -MESSAGES_KEPT_PER_SENDER);
    this.#kept = this.#kept.filter((each) => each !== oldest);
  }

  async last(limit: number): Promise<HandedText[]> {
    return this.#kept.slice(Math.max(0, this.#kept.length - limit));
  }
}
