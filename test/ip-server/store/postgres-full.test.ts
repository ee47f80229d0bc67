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

const LEFT_BYTES = 1024 * 1024;

test.skipIf(needs.postgres() || needs.namespaces())(
  'a database whose disk is full refuses reports and loses none that it took, and takes them once there is room',
  async () => {
    await using cluster = await PostgresCluster.start();
    const disk = await mkdtemp(join(tmpdir(), 'filer-full-'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0777', 'tmpfs', disk]);
    onTestFinished(async () => {
      await run('umount', ['--lazy', disk]);
      await rm(disk, { recursive: true });
    });
    await run('install', ['-d', '-o', 'postgres', join(disk, 'tables')]);
    await cluster.sql('postgres', `CREATE TABLESPACE small LOCATION '${join(disk, 'tables')}'`);
    await cluster.sql('postgres', 'CREATE DATABASE t0 TABLESPACE small');
    const store = await openStore(`postgres://filer@/t0?host=${cluster.folder}`);
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
    const found = async () => (await reportsFound(store.reports.query({}))).map(({ report: { seq } }) => seq);
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
    expect(refused).toMatchObject({ code: 'no-space' });
    await expect(append(stored.length + 1)).rejects.toMatchObject({ code: 'no-space' });
    expect(await found()).toEqual(stored);
    await rm(ballast);
    expect(await append(stored.length + 1)).toEqual(['stored']);
    expect(await found()).toEqual([...stored, stored.length + 1]);
  },
);
