import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeReportBody } from '@filer/protocol';
import { onTestFinished } from 'vitest';
import type { Store } from '../../../apps/ip-server/src/store/interfaces.ts';
import { reportsFound } from '../../support/reports-found.ts';

const run = promisify(execFile);

/** A disk of its own, in memory, until the test is over. @param mib its size */
export async function smallDisk(mib: number): Promise<string> {
  const disk = await mkdtemp(join(tmpdir(), 'filer-full-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${mib}m,mode=0777`, 'tmpfs', disk]);
  onTestFinished(async () => {
    await run('umount', ['--lazy', disk]);
    await rm(disk, { recursive: true });
  });
  return disk;
}

/** Fills a disk but for so many bytes. @returns makes room again */
export async function fillBut(disk: string, leftBytes: number): Promise<() => Promise<void>> {
  const { bavail, bsize } = await statfs(disk);
  const ballast = join(disk, 'ballast');
  await writeFile(ballast, Buffer.alloc(bavail * bsize - leftBytes));
  return () => rm(ballast);
}

/** Stores a report that PostgreSQL cannot make smaller. */
export async function append({ reports }: Store, seq: number) {
  const body = { title: '', schedule: '' };
  const noise = randomBytes(24_000).toString('base64');
  const content = encodeReportBody({ ...body, values: [['noise', noise]] });
  const report = { ...body, values: [], spool: 'a'.repeat(32), seq, time: 1, kind: 'user' as const };
  return await reports.append([{ peer: 'ANNA', receivedAt: 1, content, report }]);
}

/** Stores reports until one is refused. @returns the numbers of those that were stored, and why the next one was not */
export async function appendUntilRefused(store: Store): Promise<{ stored: number[]; refused: unknown }> {
  const stored: number[] = [];
  for (let seq = 1; ; seq++) {
    try {
      await append(store, seq);
      stored.push(seq);
    } catch (refused) {
      return { stored, refused };
    }
  }
}

/** The numbers of all reports that are stored, in order. */
export async function numbersIn({ reports }: Store): Promise<number[]> {
  return (await reportsFound(reports.query({}))).map(({ report: { seq } }) => seq);
}
