import {
  FilerError,
  formatError,
  formatStored,
  OK,
  reportMessage,
  schedulesMessage,
  spoolMessage,
  type Report,
  type Reply,
  type Session,
} from '@filer/protocol';
import type { MemberRouter } from '../network/member-router.ts';
import type { ReportIntake } from './intake.ts';
import type { ReportMonitor } from './report-monitor.ts';
import type { ReportRates } from './report-rates.ts';

/** What must be there before a report of it is stored. */
interface AttachmentsOfReports {
  /** @throws FilerError `attachment-missing` */
  require(peer: string, report: Report): Promise<void>;
  stored(peer: string, report: Report): Promise<void>;
}

export interface ReportServices {
  readonly intake: ReportIntake;
  readonly rates: ReportRates;
  readonly attachments: AttachmentsOfReports;
  readonly monitor: ReportMonitor;
  readonly now: () => number;
}

/** Reports of one connection that may wait for the disk; then the connection waits. */
const MAX_WAITING_REPORTS = 256;

/** Handles what members report, and what they will. */
export function routeReports(router: MemberRouter, services: ReportServices): void {
  const { intake, rates, attachments, monitor, now } = services;
  const waitingOf = new WeakMap<Session, Set<Promise<void>>>();
  router
    .onUnparsed(
      reportMessage,
      // Answered when it is on the disk, without holding back what comes behind it.
      async (message, { connection: { id: peer }, session }) => {
        const { header, content } = message;
        rates.take(peer, content.length);
        const { due, ...report } = reportMessage.parse(message);
        const { spool, seq } = report;
        // Before the next report is read: reports of one machine are stored in their order.
        const lacking = await refusalOf(attachments.require(peer, report));
        const answer = async (): Promise<Reply> => {
          try {
            if (lacking !== undefined) throw lacking;
            await intake.add({ peer, report, content, receivedAt: now(), due });
            await attachments.stored(peer, report);
            return formatStored({ spool, seq });
          } catch (error) {
            if (!(error instanceof FilerError)) throw error;
            return { header: formatError(error) };
          }
        };
        const answered = answer().then(async (reply) => {
          const { id } = header;
          // A connection that is gone asks again with the same key, on another one.
          if (id !== undefined) await session.notify({ ...reply.header, re: id }).catch(() => undefined);
        });
        const waiting = waitingOf.get(session) ?? new Set();
        waitingOf.set(session, waiting);
        waiting.add(answered);
        void answered.finally(() => waiting.delete(answered));
        if (waiting.size >= MAX_WAITING_REPORTS) await Promise.race(waiting);
        return undefined;
      },
    )
    .on(spoolMessage, async ({ spool }, { connection }) =>
      formatStored({ spool, seq: await intake.lastSeq(connection.id, spool) }),
    )
    .on(schedulesMessage, ({ schedules }, { connection }) =>
      monitor.announce(connection.id, schedules).then(() => OK),
    );
}

async function refusalOf(checked: Promise<void>): Promise<FilerError | undefined> {
  try {
    await checked;
    return undefined;
  } catch (error) {
    if (error instanceof FilerError) return error;
    throw error;
  }
}
