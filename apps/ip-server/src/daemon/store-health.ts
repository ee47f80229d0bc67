import { FilerError } from '@filer/protocol';
import type { Logger } from '@filer/program';

/** What the store does for the server, as a person knows it. */
export const STORE_TASKS = [
  'reports',
  'room on the disk',
  'presence',
  'heartbeats',
  'retention',
  'collects',
  'attachments',
  'removing attachments',
  'schedules',
  'alarms',
  'messages',
  'other servers',
] as const;
export type StoreTask = (typeof STORE_TASKS)[number];

/** Whether the store works: says once when something begins to fail and once when it works again. */
export class StoreHealth {
  readonly #log: Logger;
  readonly #problems = new Map<StoreTask, FilerError>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** A problem that stands, for `status`. */
  get problem(): FilerError | undefined {
    return [...this.#problems.values()][0];
  }

  isFailing(task: StoreTask): boolean {
    return this.#problems.has(task);
  }

  /** Does a part of a task. @returns undefined when the store failed, which is told */
  async attempt<T>(task: StoreTask, work: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await work();
      this.tell(task, undefined);
      return result;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.tell(task, error);
      return undefined;
    }
  }

  /** A database elsewhere answers: what failed only because it did not is over, also what is not tried again by itself. */
  answers(): void {
    for (const [task, { code }] of this.#problems) if (code === 'timed-out') this.tell(task, undefined);
  }

  /** @param problem undefined when the task worked */
  tell(task: StoreTask, problem: FilerError | undefined): void {
    const known = this.#problems.get(task);
    if (known?.code === problem?.code) return;
    if (problem === undefined) {
      this.#problems.delete(task);
      this.#log.info('the store works again', { task });
    } else {
      this.#problems.set(task, problem);
      this.#log.error('the store fails; nothing is acknowledged that is not stored', { task, why: problem });
    }
  }
}
