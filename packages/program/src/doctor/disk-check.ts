import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { diskNear, messageOf, systemCode, usableOf } from '@filer/protocol';
import { formatBytes } from '../sizes.ts';
import { failed, ok, warning, type Check } from './check.ts';

/** Written and synced: enough to see a disk that is slow, and little enough to do no harm. */
const PROBE_BYTES = 4 * 1024 * 1024;

/** What is received waits for the disk: below this a common network is faster, in bytes a second. */
const SLOW_BYTES_PER_SECOND = 5 * 1024 * 1024;

export interface DiskCheck {
  /** What the folder is, a word such as `inbox`. */
  readonly check: string;
  readonly folder: string;
  /** What stays free on its disk. */
  readonly keepFreeBytes: number;
  /** What to do where it cannot be written. */
  readonly remedy: string;
  /** Whether it is made once it is needed: then the nearest folder above it is looked at. @default false */
  readonly isMadeLater?: boolean;
}

/** Whether a folder can be written, what its disk has free, and how fast that writes what it must not lose. */
export async function checkDisk({
  check,
  folder: named,
  keepFreeBytes,
  remedy,
  isMadeLater = false,
}: DiskCheck): Promise<Check> {
  const folder = isMadeLater ? nearest(named) : named;
  const facts: Record<string, string | number> = { folder };
  try {
    const disk = await diskNear(folder);
    const free = usableOf(disk, 0);
    const usable = usableOf(disk, keepFreeBytes);
    facts['freeBytes'] = Math.max(0, free.bytes);
    facts['keepFreeBytes'] = keepFreeBytes;
    if (Number.isFinite(usable.files)) facts['freeFiles'] = Math.max(0, free.files);
    if (usable.bytes <= 0 || usable.files <= 0) {
      const what = usable.bytes <= 0 ? `${formatBytes(Math.max(0, free.bytes))} free` : 'no inodes free';
      return failed(
        check,
        `the disk of ${folder} has ${what}, and keep-free is ${formatBytes(keepFreeBytes)}: nothing more is taken`,
        `make room there; \`df -h ${shellWord(folder)}\` shows it, and \`df -i\` the inodes`,
        facts,
      );
    }
    const bytes = Math.min(PROBE_BYTES, Math.floor(usable.bytes));
    const ms = await syncedMs(folder, bytes);
    const rate = Math.round((bytes / ms) * 1_000);
    facts['syncMs'] = Math.round(ms);
    facts['syncBytesPerSecond'] = rate;
    const words = `${folder} has ${formatBytes(free.bytes)} free, and syncs ${formatBytes(bytes)} in ${Math.round(ms)} ms`;
    if (bytes === PROBE_BYTES && rate < SLOW_BYTES_PER_SECOND)
      return warning(check, `${words}: the disk is slow`, 'look at what else uses it: `iostat -x 1`', facts);
    return ok(check, words, facts);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    facts['code'] = code;
    return failed(check, `${folder} cannot be written: ${reasonOf(code) ?? messageOf(error)}`, remedy, facts);
  }
}

/** Writes a file without a name and syncs it: however this program ends, nothing is left. */
async function syncedMs(folder: string, bytes: number): Promise<number> {
  const path = join(folder, `.filer-part-doctor-${randomBytes(8).toString('hex')}`);
  await using file = await open(path, 'wx', 0o600);
  await unlink(path);
  const began = performance.now();
  await file.writeFile(randomBytes(bytes));
  await file.sync();
  return Math.max(1, performance.now() - began);
}

function nearest(folder: string): string {
  const above = dirname(folder);
  return existsSync(folder) || above === folder ? folder : nearest(above);
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'its file system is mounted read-only',
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is no folder',
  ENOSPC: 'its disk is full',
  EDQUOT: 'the quota of this user is used up',
  EIO: 'the disk fails',
};

function reasonOf(code: string): string | undefined {
  return REASONS[code];
}

/** A word for a shell, in quotes where it needs them. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
