import {
  FilerError,
  formatReport,
  formatSpool,
  parseReportBody,
  parseStored,
  type Due,
  type ErrorCode,
  type Session,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { Spool, SpooledReport } from '../store/spool.ts';

/** Reports on their way at once: the server commits them together. */
const IN_FLIGHT = 64;

/**
 * A report may so often need another key, or its files once more, before the server is given a pause: it, and not the report,
 * has a fault then.
 */
const MAX_AGAIN = 3;

/** What no later try changes: the report is set aside. Anything else is the server's or the network's trouble. */
const FOR_GOOD: ReadonlySet<ErrorCode> = new Set([
  'too-large',
  'message-malformed',
  'refused',
  'declined',
  'unsupported',
  'name-refused',
  // Of the copies here: somebody else's hands were in the home.
  'path-missing',
  'path-unreadable',
  'path-unsupported',
  'source-changed',
]);

/** What the server has by its word alone is not removed here. */
const NOT_SIGNED = new FilerError(
  'refused',
  'the ip-server says that it has this report and its files, and has signed for no file: look there with `ip-server reports`, then `report spool drop` it here',
);

/** The spool that a session's server was asked about: it hears of no later state of this home while the session stands. */
const checked = new WeakMap<Session, string>();

export interface SpoolSending {
  readonly spool: Spool;
  readonly session: Session;
  /** Brings the attachments of one report to the server. @returns whether the server has signed for them */
  readonly upload: (report: SpooledReport) => Promise<boolean>;
  /** When the next reports of a schedule are due, now. */
  readonly dueOf: (schedule: string) => Due | undefined;
  readonly log: Logger;
}

/**
 * Sends what the spool holds, oldest first, drops what the server has stored, and sets aside what it refuses for good.
 *
 * @throws FilerError `connection-closed` and the like; the reports stay and go with the next call
 */
export function drainSpool(sending: SpoolSending): Promise<void> {
  return new Drain(sending).run();
}

class Drain {
  readonly #sending: SpoolSending;
  /** Reports whose files were brought to the server. */
  readonly #uploaded = new Set<number>();
  /** Those of them that the server has not signed for: it says that it has the report. */
  readonly #unsigned = new Set<number>();
  readonly #again = new Map<number, number>();
  /**
   * The spool of a home that is an old copy. What waits there was made before it was copied, and may be stored, or after that,
   * under numbers that are taken. One is sent after the other until that is known.
   */
  #doubtful: string | undefined;

  constructor(sending: SpoolSending) {
    this.#sending = sending;
  }

  async run(): Promise<void> {
    const { spool, session } = this.#sending;
    if (spool.size > 0 && checked.get(session) !== spool.keys.id) this.#doubtful = await this.#findOldCopy();
    for (;;) {
      const waiting = spool.next(this.#doubtful === undefined ? IN_FLIGHT : 1);
      const [first] = waiting;
      if (this.#doubtful !== undefined && !spool.keys.waits(this.#doubtful)) this.#trust();
      if (first === undefined) return;
      const lacking = waiting.findIndex((report) => this.#lacksFiles(report));
      if (lacking === 0) await this.#upload(first);
      else await this.#sendAll(lacking === -1 ? waiting : waiting.slice(0, lacking));
    }
  }

  /** @returns the spool's id if the server knows more of it than was ever sent from here */
  async #findOldCopy(): Promise<string | undefined> {
    const { spool, session, log } = this.#sending;
    const { id } = spool.keys;
    try {
      const { seq } = parseStored(await session.ask(formatSpool(id)));
      if (seq <= spool.keys.sentSeq) {
        checked.set(session, id);
        return undefined;
      }
      log.warn(
        'the server knows later reports of this home: it is an older copy, what is stored is not stored again',
        {
          sent: spool.keys.sentSeq,
          known: seq,
        },
      );
      return id;
    } catch (error) {
      // An older server: what it knows better is found by its conflicts.
      if (error instanceof FilerError && error.code === 'unsupported') return undefined;
      throw error;
    }
  }

  /** Nothing is left of what may be stored: from here on all is new, under new numbers. */
  #trust(first?: SpooledReport): void {
    this.#doubtful = undefined;
    this.#sending.spool.keys.renewFrom(first);
  }

  #lacksFiles({ folder, seq }: SpooledReport): boolean {
    return folder !== undefined && !this.#uploaded.has(seq);
  }

  async #upload(report: SpooledReport): Promise<void> {
    try {
      const isSigned = await this.#sending.upload(report);
      this.#uploaded.add(report.seq);
      if (isSigned) this.#unsigned.delete(report.seq);
      else this.#unsigned.add(report.seq);
    } catch (error) {
      this.#setAside(report, error);
    }
  }

  async #sendAll(reports: readonly SpooledReport[]): Promise<void> {
    const { spool, session, dueOf } = this.#sending;
    spool.keys.sending(reports);
    const outcomes = await Promise.allSettled(reports.map((report) => send(session, report, dueOf)));
    const stored = reports.filter((_, n) => outcomes[n]?.status === 'fulfilled');
    const isUnsigned = ({ seq }: SpooledReport): boolean => this.#unsigned.has(seq);
    for (const report of stored.filter(isUnsigned)) this.#setAside(report, NOT_SIGNED);
    const dropped = stored.filter((report) => !isUnsigned(report)).map(({ seq }) => seq);
    spool.drop(dropped, Date.now());
    const failed = reports.flatMap((report, n) => {
      const outcome = outcomes[n];
      return outcome?.status === 'rejected' ? [{ report, error: outcome.reason as unknown }] : [];
    });
    // An error that ends the connection is the answer to none of them.
    const [first] = failed;
    if (first !== undefined && !session.messenger.open) throw first.error;
    for (const { report, error } of failed) this.#takeFailure(report, error);
  }

  #takeFailure(report: SpooledReport, error: unknown): void {
    const { spool, log } = this.#sending;
    const { seq } = report;
    const code = error instanceof FilerError ? error.code : undefined;
    if (code === 'report-conflict') {
      this.#countAgain(seq, error);
      if (report.spool === this.#doubtful) this.#trust(report);
      else spool.keys.renew(report);
      this.#uploaded.delete(seq);
      log.warn(
        'the server knows another report by this number: this home is an older copy, it continues with new numbers',
        {
          seq,
        },
      );
    } else if (code === 'attachment-missing' && report.folder !== undefined) {
      this.#countAgain(seq, error);
      this.#uploaded.delete(seq);
    } else this.#setAside(report, error);
  }

  /** @throws the error when it has come too often */
  #countAgain(seq: number, error: unknown): void {
    const times = (this.#again.get(seq) ?? 0) + 1;
    this.#again.set(seq, times);
    if (times > MAX_AGAIN) throw error;
  }

  /** @throws the error unless it is for good */
  #setAside({ seq }: SpooledReport, error: unknown): void {
    if (!(error instanceof FilerError) || !FOR_GOOD.has(error.code)) throw error;
    const { spool, log } = this.#sending;
    spool.setAside(seq, error, Date.now());
    log.error('a report was refused for good: it is kept, see `filer-client report spool`', { seq, error });
  }
}

async function send(session: Session, report: SpooledReport, dueOf: SpoolSending['dueOf']): Promise<void> {
  const due = report.kind === 'schedule' ? dueOf(parseReportBody(report.content).schedule) : undefined;
  const { spool, seq } = parseStored(await session.ask(formatReport(report, report.content, due)));
  if (spool !== report.spool || seq !== report.seq) {
    throw new FilerError('unexpected-message', 'the server acknowledged another report');
  }
}
