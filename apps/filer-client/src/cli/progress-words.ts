import { formatBytes, formatDuration } from '@filer/program';
import type { Progress } from '../jobs/send-events.ts';

/** How far a transfer is. */
export type Amounts = Pick<Progress, 'bytesDone' | 'bytesTotal' | 'filesDone' | 'filesTotal' | 'complete'>;

/** A longer estimate says no more than this. */
const LONGEST_ETA_MS = 100 * 3_600_000;

/**
 * How far it is, in words: bytes, files where there are several, rate, time left. Totals that may still grow have a
 * `+`, and nothing is estimated from them.
 *
 * @param rate bytes per second, 0 for unknown
 */
export function progressWords(amounts: Amounts, rate: number): string {
  const { bytesDone, bytesTotal, filesDone, filesTotal, complete } = amounts;
  const more = complete ? '' : '+';
  const left = Math.max(0, bytesTotal - bytesDone);
  const etaMs = rate > 0 && left > 0 && complete ? (left / rate) * 1000 : undefined;
  return [
    `${formatBytes(Math.min(bytesDone, bytesTotal))} of ${formatBytes(bytesTotal)}${more}`,
    ...(filesTotal > 1 || !complete ? [`${filesDone} of ${filesTotal}${more} files`] : []),
    ...(rate > 0 ? [`${formatBytes(rate)}/s`] : []),
    ...(etaMs !== undefined && etaMs < LONGEST_ETA_MS ? [`ETA ${formatDuration(etaMs)}`] : []),
  ].join('  ');
}
