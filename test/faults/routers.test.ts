import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BehindRouters } from '../support/behind-routers.ts';
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
    behind = await BehindRouters.open('random', 'random');
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
});
