import type { Difference, NewReport } from './report-store.ts';

/** What a report and what stands under its key are compared by. */
export interface ReportDigest {
  readonly digest: Buffer;
  readonly kind: string;
  readonly time: number;
}

/** What a row and its indexes take on disk beside its content and title, in bytes; measured, rounded. */
export const ROW_BYTES = 200;

/** Roughly what a report takes on disk: its title stands in its content, its row and an index. */
export function roomOf({ report, content }: NewReport): number {
  return ROW_BYTES + content.length + 2 * Buffer.byteLength(report.title);
}

/** Two reports may well say the same: a home that was restored from an old copy counts from there again. */
export function differencesOf(one: ReportDigest, other: ReportDigest): Difference[] {
  const differs: Record<Difference, boolean> = {
    content: !one.digest.equals(other.digest),
    kind: one.kind !== other.kind,
    time: one.time !== other.time,
  };
  return DIFFERENCES.filter((each) => differs[each]);
}

const DIFFERENCES = ['content', 'kind', 'time'] as const;

/**
 * The outcome of a report whose place in its spool was given before: it was stored once and has gone since, with its digest, unless
 * it was made later than all that have gone.
 *
 * @param stored what stands there
 * @returns `new` when nothing ever did
 */
export function verdictOf(
  report: ReportDigest & { readonly seq: number },
  stored: ReportDigest | undefined,
  spool: { readonly prunedSeq: number; readonly prunedTime: number },
): 'new' | 'known' | 'conflict' {
  if (stored !== undefined) return differencesOf(stored, report).length === 0 ? 'known' : 'conflict';
  if (report.seq > spool.prunedSeq) return 'new';
  return report.time <= spool.prunedTime ? 'known' : 'conflict';
}
