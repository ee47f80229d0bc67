import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import { append, appendUntilRefused, fillBut, numbersIn, smallDisk } from './full-disk.ts';

const run = promisify(execFile);
const MiB = 1024 * 1024;

describe.skipIf(needs.postgres() || needs.namespaces())('a database', () => {
  test('whose disk is full refuses reports and loses none that it took, and takes them once there is room', async () => {
    await using cluster = await PostgresCluster.start();
    const disk = await smallDisk(24);
    await run('install', ['-d', '-o', 'postgres', join(disk, 'tables')]);
    await cluster.sql('postgres', `CREATE TABLESPACE small LOCATION '${join(disk, 'tables')}'`);
    await cluster.sql('postgres', 'CREATE DATABASE t0 TABLESPACE small');
    const store = await openStore(`postgres://filer@/t0?host=${cluster.folder}`);
    onTestFinished(() => store.close());
    const makeRoom = await fillBut(disk, MiB);

    const { stored, refused } = await appendUntilRefused(store);

    expect(refused).toMatchObject({ code: 'no-space' });
    await expect(append(store, stored.length + 1)).rejects.toMatchObject({ code: 'no-space' });
    expect(await numbersIn(store)).toEqual(stored);
    await makeRoom();
    expect(await append(store, stored.length + 1)).toEqual(['stored']);
    expect(await numbersIn(store)).toEqual([...stored, stored.length + 1]);
  });

  test('that stops as the disk of its log is full loses no report that it took, and takes them once there is room', async () => {
    const disk = await smallDisk(16);
    await using cluster = await PostgresCluster.start(
      ['fsync=off', 'min_wal_size=2MB', 'max_wal_size=12MB', 'restart_after_crash=off'],
      ['--wal-segsize=1', '--waldir', join(disk, 'log')],
    );
    const store = await openStore(await cluster.freshDatabase());
    onTestFinished(() => store.close());
    const makeRoom = await fillBut(disk, 4 * MiB);

    const { stored, refused } = await appendUntilRefused(store);

    expect(refused).toMatchObject({ code: expect.stringMatching(/^(timed-out|no-space)$/) as string });
    await makeRoom();
    await cluster.end();
    await cluster.resume();
    // One whose answer was lost may be there; sent again it is the same one.
    const found = await numbersIn(store);
    expect(found.slice(0, stored.length)).toEqual(stored);
    expect(found.length - stored.length).toBeLessThan(2);
    expect(await append(store, found.length + 1)).toEqual(['stored']);
  });
});
