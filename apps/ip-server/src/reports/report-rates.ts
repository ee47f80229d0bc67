import {
  FilerError,
  Rates,
  REPORT_BYTES_AT_ONCE,
  REPORT_BYTES_PER_SECOND,
  REPORT_OVERHEAD_BYTES,
} from '@filer/protocol';
import type { Logger } from '@filer/program';

/**
 * A machine that was too fast is refused for so long, in ms: its next reports do not slip in between those that were refused, and
 * each refusal costs a look at a map.
 */
const REST_MS = 1_000;

/** A machine that is too fast for long is logged again after this, in ms. */
const SAID_EVERY_MS = 60_000;

/** How fast each machine may report, on all its connections together. */
export class ReportRates {
  readonly #log: Pick<Logger, 'warn'>;
  readonly #now: () => number;
  readonly #rates = new Rates({ atOnce: REPORT_BYTES_AT_ONCE, perSecond: REPORT_BYTES_PER_SECOND });
  /** Machines that were too fast: until when each is refused, and when that was logged. */
  readonly #tooFast = new Map<string, { readonly until: number; readonly saidAt: number }>();

  /** @param now ms of a clock that does not jump */
  constructor(log: Pick<Logger, 'warn'>, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /**
   * Counts a report that has come, before anything else is done with it.
   *
   * @throws FilerError `rate-limited`: the machine keeps it and sends it again
   */
  take(peer: string, contentBytes: number): void {
    const now = this.#now();
    const known = this.#tooFast.get(peer);
    if (known !== undefined && now < known.until) throw tooFast();
    if (this.#rates.tryTake(peer, contentBytes + REPORT_OVERHEAD_BYTES, now)) return;
    const isSaid = known !== undefined && now - known.saidAt < SAID_EVERY_MS;
    if (!isSaid) this.#log.warn('a machine reports too fast: the rest waits there', { id: peer });
    this.#tooFast.set(peer, { until: now + REST_MS, saidAt: isSaid ? known.saidAt : now });
    throw tooFast();
  }
}

function tooFast(): FilerError {
  return new FilerError(
    'rate-limited',
    `this machine reports more than ${REPORT_BYTES_PER_SECOND} bytes a second, ${REPORT_OVERHEAD_BYTES} counted for each report beside its content: what waits goes a little later`,
  );
}
