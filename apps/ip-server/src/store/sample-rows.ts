import type { Heartbeat } from '@filer/protocol';
import { integerIn, type Row } from '@filer/program';
import type { Sample } from './sample-store.ts';

/** The column of each number. What an hour was like is its average; of the uptime that says nothing, its last is kept. */
export const SAMPLE_COLUMNS = [
  ['uptimeMs', 'uptime_ms'],
  ['loadHundredths', 'load_hundredths'],
  ['memoryTotalBytes', 'memory_total_bytes'],
  ['memoryFreeBytes', 'memory_free_bytes'],
  ['inboxFreeBytes', 'inbox_free_bytes'],
  ['transfers', 'transfers'],
  ['spooled', 'spooled'],
] as const satisfies readonly (readonly [keyof Heartbeat, string])[];

export function sampleOf(row: Row): Sample {
  return {
    at: integerIn(row, 'at'),
    spanMs: integerIn(row, 'span_ms'),
    heartbeat: {
      uptimeMs: integerIn(row, 'uptime_ms'),
      loadHundredths: integerIn(row, 'load_hundredths'),
      memoryTotalBytes: integerIn(row, 'memory_total_bytes'),
      memoryFreeBytes: integerIn(row, 'memory_free_bytes'),
      inboxFreeBytes: integerIn(row, 'inbox_free_bytes'),
      transfers: integerIn(row, 'transfers'),
      spooled: integerIn(row, 'spooled'),
    },
  };
}
