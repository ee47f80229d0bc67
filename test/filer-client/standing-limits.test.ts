import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../support/in-process.ts';
import { NetworkHere } from '../support/network-here.ts';
import type { Line, Outcome } from '../support/programs.ts';

test('limit and receive-limit of the configuration hold for what is sent and fetched, are shown by status, and a wrong one is named', async () => {
  const network = await NetworkHere.open();
  onTestFinished(() => network[Symbol.asyncDispose]());
  const bob = await network.add('bob');
  await network.join('alice');
  const home = network.home('alice');
  await appendFile(
    join(home, 'config.toml'),
    '\nlimit = ["10kB/s", "1MB/s 00:00-24:00"]\nreceive-limit = "10kB/s"\n',
  );
  const alice = await (await network.start(home)).connected();
  await alice.sees('bob');
  expect(await alice.ask('status')).toMatchObject({
    limits: {
      send: { windows: ['10kB/s', '1MB/s 00:00-24:00'], now: 10_000 },
      receive: { windows: ['10kB/s'], now: 10_000 },
    },
  });
  expect((await alice.run('status')).stdout).toMatch(/receive limit +10kB\/s \(now 10 kB\/s\)/);

  const shared = join(network.folder, 'shared');
  await mkdir(shared);
  await writeFile(join(shared, 'file'), Buffer.alloc(3_000_000, 'x'));
  await bob.ask('share', 'add', shared);
  /** A command that would be through at once is still on its way when it is cancelled. */
  const isHeldBack = async (command: Promise<Outcome>, kind: 'outgoing' | 'fetching'): Promise<void> => {
    const amounts = await until(
      async () => JSON.stringify((await alice.ask('transfers'))[kind]),
      (text) => text.includes('"bytesPerSecond"'),
    );
    const [, done, total] = /"bytesDone":(\d+),"bytesTotal":(\d+)/.exec(amounts) ?? [];
    expect(Number(done)).toBeLessThan(Number(total));
    const job = ((await alice.ask('history'))['jobs'] as Line[]).at(-1);
    await alice.ask('cancel', String(job?.['job']));
    expect((await command).code).toBe(130);
  };
  await isHeldBack(alice.run('get', 'bob:shared/file', network.folder), 'fetching');
  await isHeldBack(alice.run('send', join(shared, 'file'), '--to', 'bob'), 'outgoing');

  await alice.daemon.close();
  await appendFile(join(bob.home, 'config.toml'), '\nlimit = "fast"\n');
  const { code, stderr } = await bob.run('start');
  expect(code).toBe(1);
  expect(stderr).toContain('20MB/s 08:00-18:00');
});
