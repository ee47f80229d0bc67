import type { Report, ReportBody } from '@filer/protocol';
import type { Member } from '../network/member.ts';
import { Snapshot, type SnapshotOptions } from './snapshot.ts';

export interface ReportDraft {
  readonly kind: Report['kind'];
  /** When it was made, in ms since the epoch. */
  readonly time: number;
  /** Without attachments; made when it is known which files cannot be attached, if `failed` takes those. */
  readonly body: ReportBody | (() => ReportBody);
  /** Files to attach; absolute paths. Copied before this returns: later changes of them have no effect. */
  readonly attach: readonly string[];
}

/**
 * Puts a report with its attachments on disk: from here on it is not lost. Who has a way to the server kicks its spool
 * afterwards.
 *
 * @returns its seq
 * @throws FilerError `spool-full`, `too-large`, `no-space`, and of a file why it cannot be attached, unless
 *   `failed` takes that
 */
export async function spoolReport(
  { spool }: Pick<Member, 'spool'>,
  { kind, time, body, attach }: ReportDraft,
  options: SnapshotOptions = {},
): Promise<number> {
  const said = (): ReportBody => (typeof body === 'function' ? body() : body);
  if (attach.length === 0) return spool.add(kind, time, said());
  using files = await Snapshot.take(spool, attach, options);
  if (files.attachments.length === 0) return spool.add(kind, time, said());
  const seq = spool.add(kind, time, said(), files);
  files.keep();
  return seq;
}
