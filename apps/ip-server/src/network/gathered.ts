interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What many ask for in one turn of the event loop, done together: a disk is waited for once. Where that fails, each is done by itself,
 * so that one that cannot be done fails alone.
 */
export class Gathered<Item, Answer> {
  readonly #work: (items: readonly Item[]) => Promise<readonly Answer[]>;
  #waiting: Waiting<Item, Answer>[] = [];

  /** @param work answers each, in their order; when it fails, nothing is done */
  constructor(work: (items: readonly Item[]) => Promise<readonly Answer[]>) {
    this.#work = work;
  }

  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ item, resolve, reject }) === 1) setImmediate(() => void this.#doWaiting());
    });
  }

  async #doWaiting(): Promise<void> {
    const all = this.#waiting;
    this.#waiting = [];
    try {
      await this.#do(all);
    } catch (error) {
      if (all.length === 1) all.forEach(({ reject }) => reject(error));
      else for (const each of all) await this.#do([each]).catch(each.reject);
    }
  }

  async #do(some: readonly Waiting<Item, Answer>[]): Promise<void> {
    const answers = await this.#work(some.map(({ item }) => item));
    if (answers.length !== some.length) throw new Error('there is an answer for each');
    for (const [at, answer] of answers.entries()) some[at]?.resolve(answer);
  }
}
