import { FilerError, formatReport, parseStored, type Session } from '@filer/protocol';
import type { Spool, SpooledReport } from '../store/spool.ts';

/** Reports on their way at once: the server commits them together. */
const IN_FLIGHT = 64;

/** A spool is renewed for a conflict; a second one right after it is no restored home but a broken server. */
const MAX_RENEWALS = 1;

/**
 * Sends what the spool holds, oldest first, and drops what the server has stored.
 *
 * @returns how many were stored
 * @throws FilerError `connection-closed` and the like; the reports stay and go with the next call
 */
export async function drainSpool(spool: Spool, session: Session): Promise<number> {
  let stored = 0;
  let renewals = 0;
  for (;;) {
    const reports = spool.next(IN_FLIGHT);
    if (reports.length === 0) return stored;
    const outcomes = await Promise.allSettled(reports.map((report) => sendReport(session, report)));
    let failure: Error | undefined;
    outcomes.forEach((outcome, index) => {
      const report = reports[index];
      if (outcome.status === 'rejected') failure ??= asError(outcome.reason);
      else if (report !== undefined) {
        spool.drop(report.seq);
        stored++;
      }
    });
    if (failure === undefined) continue;
    if (failure instanceof FilerError && failure.code === 'report-conflict' && renewals++ < MAX_RENEWALS) {
      spool.renew();
      continue;
    }
    throw failure;
  }
}

async function sendReport(session: Session, report: SpooledReport): Promise<void> {
  const { spool, seq } = parseStored(await session.ask(formatReport(report, report.content)));
  if (spool !== report.spool || seq !== report.seq) {
    throw new FilerError('unexpected-message', 'the server acknowledged another report');
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
