import { basename } from 'node:path';
import { FilerError, type Attachment, type ReportBody } from '@filer/protocol';
import type { Member } from '../network/member.ts';
import type { ScheduleTable } from './schedule-table.ts';
import { fitted, withNote, type ScheduledReport } from './scheduled-report.ts';
import { Snapshot } from './snapshot.ts';

/** A scheduled report as it stands in the spool. */
export interface SpooledSchedule {
  readonly seq: number;
  readonly body: ReportBody;
  readonly attachments: readonly Attachment[];
}

/**
 * Puts the report of a schedule on disk, and in the same transaction that it was made: it is made once, whatever is
 * killed when. Files that cannot be attached are named in it.
 *
 * @throws FilerError `spool-full` and others of the database; the reason of `signal`
 */
export async function spoolScheduled(
  { body, files, failure }: ScheduledReport,
  { spool, database }: Pick<Member, 'spool' | 'database'>,
  schedules: Pick<ScheduleTable, 'finish'>,
  signal: AbortSignal,
): Promise<SpooledSchedule> {
  const leftOut: string[] = [];
  const time = Date.now();
  using copies = await copyFiles({ spool }, files, leftOut, signal);
  signal.throwIfAborted();
  const attached = copies !== undefined && copies.attachments.length > 0 ? copies : undefined;
  const attachments = attached?.attachments ?? [];
  const noted = leftOut.length === 0 ? body : withNote(body, leftOut.join('; '));
  const said = fitted(noted, Buffer.byteLength(JSON.stringify({ attachments })));
  const seq = database.transaction(() => {
    schedules.finish(body.schedule, failure);
    return spool.add('schedule', time, said, attached);
  });
  attached?.keep();
  return { seq, body: said, attachments };
}

/** @param leftOut gets what cannot be copied, with the reason @returns undefined where nothing is to be attached */
async function copyFiles(
  { spool }: Pick<Member, 'spool'>,
  files: readonly string[],
  leftOut: string[],
  signal: AbortSignal,
): Promise<Snapshot | undefined> {
  if (files.length === 0) return undefined;
  try {
    return await Snapshot.take(spool, files, {
      signal,
      failed: (path, error) => leftOut.push(`${basename(path)} is left out: ${error.message}`),
    });
  } catch (error) {
    // No room for any of them: the report itself may still have some.
    if (signal.aborted || !(error instanceof FilerError)) throw error;
    leftOut.push(`all ${files.length} files are left out: ${error.message}`);
    return undefined;
  }
}
