import type { Logger } from '@filer/program';
import type { Member } from '../network/member.ts';
import type { DeliveryState } from '../store/job-rows.ts';
import { parseKeptRequest, type SendRequest } from '../jobs/send-request.ts';
import { cleanSpool, removeSpooled, spooledOf } from './spool-folder.ts';

/** What no one sent again is looked for this often, in ms. */
const CLEAN_EVERY_MS = 24 * 3_600_000;

const ENDED_FOR_GOOD: ReadonlySet<DeliveryState> = new Set(['delivered', 'cancelled']);

/** How long what came from standard input, or was dropped in a page, is kept: as long as a job may need it, and a week. Nothing here rejects. */
export class SpooledInput {
  readonly #member: Member;
  readonly #log: Logger;
  #cleaning: NodeJS.Timeout | undefined;

  constructor(member: Member, log: Logger) {
    this.#member = member;
    this.#log = log;
  }

  /** Begins to remove what is old, now and every day. */
  start(): void {
    this.#cleaning ??= setInterval(() => void this.#clean(), CLEAN_EVERY_MS);
    void this.#clean();
  }

  stop(): void {
    clearInterval(this.#cleaning);
  }

  /** A job rests: what it sent goes when everyone has it, or no one is to have it any more. */
  async release(job: string, request: SendRequest): Promise<void> {
    try {
      const deliveries = this.#member.jobs.deliveries(job);
      if (deliveries.every(({ state }) => ENDED_FOR_GOOD.has(state)))
        await removeSpooled(spooledOf(request), request.dropped);
    } catch (error) {
      this.#log.warn('stored standard input that is not needed any more was not removed', { job, error });
    }
  }

  async #clean(): Promise<void> {
    try {
      const { jobs, home, clock } = this.#member;
      const needed = jobs.open().flatMap(({ request }) => spooledOf(parseKeptRequest(request)));
      await cleanSpool(home.outgoing, new Set(needed), clock.now());
    } catch (error) {
      this.#log.error('old standard input was not removed', { error });
    }
  }
}
