import { FilerError, fieldsOf, listOf, textOf, type ErrorCode } from '@filer/protocol';
import { uploadAttachments } from '../../reports/attachment-upload.ts';
import { spoolReport } from '../../reports/spool-report.ts';
import { drainSpool } from '../../reports/spool-sender.ts';
import type { Operation, Site } from '../site.ts';
import { readPath } from './read-path.ts';

/** What became of a report. */
export interface ReportOutcome {
  readonly seq: number;
  /** Whether the server has it on its disk; else it waits in the spool and goes by itself. */
  readonly stored: boolean;
  /** Reports that wait now. */
  readonly spooled: number;
  /** Why it waits. */
  readonly reason?: string;
}

/** How long the asker waits to hear that its report was stored before it is told that it waits. */
const STORED_WITHIN_MS = 5_000;

/** The spool says what is too much, for all parts together. */
const ANY_LENGTH = { max: Number.POSITIVE_INFINITY };

/** `report KEY=VALUE…`: to disk first, then to the server. */
export const report: Operation = async (site, params, { signal }) => {
  const fields = fieldsOf(params, 'report');
  const values = listOf(fields['values'], 'values', Number.POSITIVE_INFINITY, (pair, what) => {
    const [key, value] = listOf(pair, what, 2, (item, name) => textOf(item, name, ANY_LENGTH));
    if (key === undefined || value === undefined) throw new FilerError('usage', `${what} is not a pair`);
    return [key, value] as const;
  });
  const title = textOf(fields['title'] ?? '', 'title', ANY_LENGTH);
  const attach = listOf(fields['attach'] ?? [], '--attach', Number.POSITIVE_INFINITY, readPath);
  const body = { title, values, schedule: '' };
  const seq = await spoolReport(site.member, { kind: 'user', time: Date.now(), body, attach }, { signal });
  const outcome: ReportOutcome = { seq, ...(await sendSpooled(site, seq, signal)) };
  return outcome;
};

/**
 * Sends a report that is in the spool, or says why it waits there.
 *
 * @throws FilerError why the server refused it for good
 */
export async function sendSpooled(
  site: Site,
  seq: number,
  signal: AbortSignal,
): Promise<Omit<ReportOutcome, 'seq'>> {
  const { spool } = site.member;
  const reason =
    site.daemon === undefined ? await sendNow(site, signal) : await sendByDaemon(site, seq, signal);
  const state = spool.state(seq);
  if (state instanceof FilerError) {
    throw new FilerError(
      state.code,
      `the ip-server refused the report: ${state.message} (it is kept: \`filer-client report spool\`)`,
      { cause: state },
    );
  }
  const stored = state === undefined;
  return { stored, spooled: spool.size, ...(stored || reason === undefined ? {} : { reason }) };
}

/** Without a daemon: this process sends all that waits. The report is on disk already, whatever happens. */
async function sendNow(
  { member, access, software, log }: Site,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { session } = await access.session(signal);
    await drainSpool({
      spool: member.spool,
      session,
      upload: (report) => uploadAttachments(member, software, report, signal),
      dueOf: (name) => member.schedules.dueOf(name),
      log,
    });
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return whyItWaits(error);
  }
}

async function sendByDaemon(
  { member, access }: Site,
  seq: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await access.session(signal);
  } catch (error) {
    return whyItWaits(error);
  }
  access.kickSpool();
  const within = AbortSignal.timeout(STORED_WITHIN_MS);
  try {
    await member.spool.settled(seq, AbortSignal.any([within, signal]));
    return member.spool.problem?.message;
  } catch (error) {
    if (!within.aborted) throw error;
    return 'the ip-server has not stored it yet';
  }
}

/** The server will not take it, however long it waits: whoever reports must know now. */
const FOR_GOOD: ReadonlySet<ErrorCode> = new Set([
  'removed',
  'not-a-member',
  'duplicate-identity',
  'identity-mismatch',
]);

/** @throws the error where waiting helps nothing; the report stays in the spool all the same */
function whyItWaits(error: unknown): string {
  if (!(error instanceof FilerError)) throw error;
  if (!FOR_GOOD.has(error.code)) return error.message;
  throw new FilerError(error.code, `${error.message} (the report is kept on disk)`, { cause: error });
}
