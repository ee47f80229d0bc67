import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeReportBody } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import { reportsFound } from '../../support/reports-found.ts';

const run = promisify(execFile);

const LEFT_BYTES = 4 * 1024 * 1024;

test.skipIf(needs.postgres() || needs.namespaces())(
  'a database that stops as the disk of its log is full loses no report that it took, and takes them once there is room',
  async () => {
    const disk = await mkdtemp(join(tmpdir(), 'filer-log-'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=16m,mode=0777', 'tmpfs', disk]);
    onTestFinished(async () => {
      await run('umount', ['--lazy', disk]);
      await rm(disk, { recursive: true });
    });
    const log = join(disk, 'log');
    await using cluster = await PostgresCluster.start(
      ['fsync=off', 'min_wal_size=2MB', 'max_wal_size=12MB', 'restart_after_crash=off'],
      ['--wal-segsize=1', '--waldir', log],
    );
    const store = await openStore(await cluster.freshDatabase());
    onTestFinished(() => store.close());
    const { bavail, bsize } = await statfs(disk);
    const ballast = join(disk, 'ballast');
    await writeFile(ballast, Buffer.alloc(bavail * bsize - LEFT_BYTES));
    const append = (seq: number) => {
      const body = { title: '', schedule: '' };
      // What PostgreSQL cannot make smaller.
      const noise = randomBytes(24_000).toString('base64');
      const content = encodeReportBody({ ...body, values: [['noise', noise]] });
      const report = { ...body, values: [], spool: 'a'.repeat(32), seq, time: 1, kind: 'user' as const };
      return store.reports.append([{ peer: 'ANNA', receivedAt: 1, content, report }]);
    };
    const stored: number[] = [];
    const refused = await (async () => {
      for (let seq = 1; ; seq++) {
        try {
          await append(seq);
          stored.push(seq);
        } catch (error) {
          return error;
        }
      }
    })();
    expect(refused).toMatchObject({ code: expect.stringMatching(/^(timed-out|no-space)$/) as string });
    await rm(ballast);
    await cluster.end();
    await cluster.resume();
    // One whose answer was lost may be there; sent again it is the same one.
    const found = (await reportsFound(store.reports.query({}))).map(({ report: { seq } }) => seq);
    expect(found.slice(0, stored.length)).toEqual(stored);
    expect(found.length - stored.length).toBeLessThan(2);
    expect(await append(found.length + 1)).toEqual(['stored']);
  },
);
