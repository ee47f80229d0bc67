import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BehindRouters } from '../support/behind-routers.ts';
import { until } from '../support/in-process.ts';
import type { NatNetwork } from '../support/nat-network.ts';
import { needs } from '../support/needs.ts';
import { jsonLines, runProgram } from '../support/programs.ts';
import { sha256, writeRandomFile } from '../support/test-network.ts';

describe.skipIf(needs.namespaces() || needs('nft'))('two machines behind a router each', () => {
  let behind: BehindRouters;
  let folder: string;
  let network: NatNetwork;
  const home = (name: string) => behind.home(name);

  beforeAll(async () => {
    behind = await BehindRouters.open('random', 'random', { server: ['--advertise-lan'] });
    ({ folder, network } = behind);
  });
  afterAll(() => behind[Symbol.asyncDispose]());

  /** @returns on which path it went */
  async function send(name: string, ...flags: string[]): Promise<unknown> {
    const file = join(folder, name);
    await writeRandomFile(file, 3_000_000);
    const sent = await runProgram(
      'filer-client',
      ['send', file, '--to', 'ben', '--json', ...flags],
      home('anna'),
      network.on('a'),
    );
    const done = jsonLines(sent).at(-1) ?? {};
    expect(done).toMatchObject({ type: 'done', ok: true });
    expect(await sha256(join(home('ben'), 'inbox', 'anna', name))).toBe(await sha256(file));
    return (done['recipients'] as { connection?: string }[])[0]?.connection;
  }

  test('send over the ip-server where the routers give each connection another port', async () => {
    expect(await send('relayed.bin')).toBe('relayed by ip-server');
  });

  test('send directly through routers that keep ports', async () => {
    await network.become('keeps', 'keeps');
    expect(await send('punched.bin', '--direct-only')).toBe('punched');
  });

  test('a machine on the network of the server joins at the address that the server says there', async () => {
    const invited = await runProgram('ip-server', ['invite'], home('server'), network.on('server'));
    // That is no address of this network.
    const link = invited.stdout.replace('203.0.113.1:10901', '192.0.2.99:10901');
    const carl = { ...network.on('c'), input: link };
    const args = ['join', '-', '--discover', '--name', 'carl', '--json'];
    // An answer that a busy machine gives too late is no answer.
    const joined = await until(
      () => runProgram('filer-client', args, home('carl'), carl),
      ({ code }) => code === 0,
    );
    const id = behind.daemon('server').id;

    expect(jsonLines(joined)).toEqual([
      expect.objectContaining({ type: 'server', id, addresses: ['203.0.113.1:10901'] }),
      expect.objectContaining({ name: 'carl' }),
    ]);
    expect(link).not.toBe(invited.stdout);
  });
});
