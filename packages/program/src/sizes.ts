import { FilerError } from '@filer/protocol';
import prettyBytes from 'pretty-bytes';

const UNITS_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** What a person is told that a size looks like. */
export const SIZE_EXAMPLES = '64KiB, 20MB or 1GiB';

/**
 * Reads `64KiB`, `20MB`, `1.5GiB`, or a bare number of bytes; the case of the unit does not matter.
 *
 * @returns whole bytes
 * @throws FilerError `usage`
 */
export function parseSize(text: string): number {
  const match = /^([0-9]{1,15}(?:\.[0-9]{1,6})?)([kmgt]?i?b|)$/i.exec(text);
  const bytes = Math.round(
    Number(match?.[1]) * (UNITS_BYTES[match?.[2]?.toLowerCase() ?? '?'] ?? Number.NaN),
  );
  if (!Number.isSafeInteger(bytes)) {
    throw new FilerError(
      'usage',
      `${JSON.stringify(text)} is not a size, write one such as ${SIZE_EXAMPLES}`,
    );
  }
  return bytes;
}

/** The lowest rate, in bytes a second: a transfer that carries less than 4 KiB a minute counts as one that stands still. */
const MIN_RATE = 1_000;

/**
 * Reads a rate: a size, with or without `/s` after it.
 *
 * @returns bytes a second
 * @throws FilerError `usage`
 */
export function parseRate(text: string): number {
  const bytes = parseSize(text.replace(/\/s$/, ''));
  if (bytes < MIN_RATE)
    throw new FilerError('usage', `a rate of ${text} is too low, write 1KB/s or more, such as 20MB/s`);
  return bytes;
}

/** `1.34 GB`, `512 B`: decimal units, as file managers and disks count. */
export function formatBytes(bytes: number): string {
  return prettyBytes(bytes);
}

/** `88.1 MB/s`; nothing that took no time is called infinite. */
export function formatRate(bytes: number, ms: number): string {
  return `${prettyBytes((bytes * 1_000) / Math.max(1, ms))}/s`;
}
