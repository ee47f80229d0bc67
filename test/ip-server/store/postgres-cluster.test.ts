import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { needs } from '../../support/needs.ts';

const CLUSTER = fileURLToPath(new URL('../../support/postgres-cluster.ts', import.meta.url));

test.skipIf(needs.postgres())('a test that is killed leaves no PostgreSQL and no folder behind', async () => {
  const code = `
    const { PostgresCluster } = await import(${JSON.stringify(CLUSTER)});
    const cluster = await PostgresCluster.start();
    console.log(JSON.stringify([cluster.folder, cluster.pid]));
    setInterval(() => undefined, 1_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const [folder, pid] = JSON.parse(line.toString()) as [string, number];
  expect(existsSync(folder)).toBe(true);
  child.kill('SIGKILL');

  await expect.poll(() => existsSync(folder)).toBe(false);
  // One that ended has no command line, also while its entry is there.
  await expect.poll(() => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).toBe('');
});
