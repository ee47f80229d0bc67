import * as v from 'valibot';

/** How a recipient of a job can stand, as it is kept. */
export const DELIVERY_STATES = [
  'queued',
  'running',
  'paused',
  'delivered',
  'failed',
  'cancelled',
  'interrupted',
] as const;

/** What is counted of one recipient of a job over all its tries, or of all together. */
export const deliveryCounts = v.object({
  filesSent: v.number(),
  filesSkipped: v.number(),
  /** Those of the skipped where the recipient keeps what has their name. */
  filesKept: v.number(),
  filesFailed: v.number(),
  /** Files and links that the recipient has removed, since they are no longer here. */
  filesRemoved: v.number(),
  /** Links in folders that were not sent, on the last try; no files. */
  linksLeftOut: v.number(),
  /** Content bytes put on the wire. */
  bytesSent: v.number(),
  bytesTotal: v.number(),
});
export type DeliveryCounts = v.InferOutput<typeof deliveryCounts>;

/** @param count gives the value of each */
export function countsBy(count: (key: keyof DeliveryCounts) => number): DeliveryCounts {
  return {
    filesSent: count('filesSent'),
    filesSkipped: count('filesSkipped'),
    filesKept: count('filesKept'),
    filesFailed: count('filesFailed'),
    filesRemoved: count('filesRemoved'),
    linksLeftOut: count('linksLeftOut'),
    bytesSent: count('bytesSent'),
    bytesTotal: count('bytesTotal'),
  };
}

export const NO_COUNTS: DeliveryCounts = countsBy(() => 0);

export function sumOf(all: readonly DeliveryCounts[]): DeliveryCounts {
  return countsBy((key) => all.reduce((sum, counts) => sum + counts[key], 0));
}
