import { formatBytes, formatDuration } from '@filer/program';
import type { Amounts } from '../../api/contract/transfers.ts';
import { timeLeftMs } from '../../jobs/live-progress.ts';

/**
 * How far it is, in words: bytes, files where there are several, rate, time left. Totals that may still grow have a
 * `+`, and nothing is estimated from them.
 *
 * @param rate bytes per second, 0 for unknown
 */
export function progressWords(amounts: Amounts, rate: number): string {
  const { bytesDone, bytesTotal, filesDone, filesTotal, complete } = amounts;
  const more = complete ? '' : '+';
  const etaMs = timeLeftMs(amounts, rate);
  return [
    `${formatBytes(Math.min(bytesDone, bytesTotal))} of ${formatBytes(bytesTotal)}${more}`,
    ...(filesTotal > 1 || !complete ? [`${filesDone} of ${filesTotal}${more} files`] : []),
    ...(rate > 0 ? [`${formatBytes(rate)}/s`] : []),
    ...(etaMs !== undefined ? [`ETA ${formatDuration(etaMs)}`] : []),
  ].join('  ');
}
