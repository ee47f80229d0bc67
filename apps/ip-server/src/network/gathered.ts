interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** What many ask for in one turn of the event loop, done together: a disk is waited for once. */
export class Gathered<Item, Answer> {
  readonly #work: (items: readonly Item[]) => Promise<readonly Answer[]>;
  #waiting: Waiting<Item, Answer>[] = [];

  /** @param work answers each, in their order; or fails for all */
  constructor(work: (items: readonly Item[]) => Promise<readonly Answer[]>) {
    this.#work = work;
  }

  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ item, resolve, reject }) === 1) setImmediate(() => void this.#doAll());
    });
  }

  async #doAll(): Promise<void> {
    const all = this.#waiting;
    this.#waiting = [];
    try {
      const answers = [...(await this.#work(all.map(({ item }) => item)))];
      for (const { resolve } of all) {
        const [answer] = answers.splice(0, 1);
        if (answer === undefined) throw new Error('there is an answer for each');
        resolve(answer);
      }
    } catch (error) {
      for (const { reject } of all) reject(error);
    }
  }
}
