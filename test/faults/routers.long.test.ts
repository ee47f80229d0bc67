import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BehindRouters } from '../support/behind-routers.ts';
import type { NatNetwork } from '../support/nat-network.ts';
import type { RouterKind } from '../support/router-rules.ts';
import { needs } from '../support/needs.ts';
import { jsonLines, runProgram, type Outcome } from '../support/programs.ts';
import { sha256, writeRandomFile } from '../support/test-network.ts';

describe.skipIf(needs.namespaces() || needs('nft'))('two machines behind a router each, for longer', () => {
  let behind: BehindRouters;
  let folder: string;
  let network: NatNetwork;
  const home = (name: string) => behind.home(name);

  beforeAll(async () => {
    behind = await BehindRouters.open('keeps', 'keeps');
    ({ folder, network } = behind);
  });
  afterAll(() => behind[Symbol.asyncDispose]());

  const send = (file: string, ...flags: string[]): Promise<Outcome> =>
    runProgram(
      'filer-client',
      ['send', file, '--to', 'ben', '--json', ...flags],
      home('anna'),
      network.on('a'),
    );

  /** @returns on which path it went */
  async function pathOf(name: string, sent: Outcome): Promise<string> {
    const done = jsonLines(sent).at(-1) ?? {};
    expect(done).toMatchObject({ type: 'done', ok: true });
    expect(await sha256(join(home('ben'), 'inbox', 'anna', name))).toBe(await sha256(join(folder, name)));
    return (done['recipients'] as { connection?: string }[])[0]?.connection ?? '';
  }

  test.each<readonly [RouterKind, RouterKind, readonly string[]]>([
    ['keeps', 'keeps', ['punched']],
    ['keeps', 'random', ['relayed by ip-server']],
    ['random', 'random', ['relayed by ip-server']],
    // Whether both resets come too early is a matter of microseconds where there is no distance.
    ['resets', 'keeps', ['punched', 'relayed by ip-server']],
    ['resets', 'resets', ['punched', 'relayed by ip-server']],
  ])('a router that %s ports and one that %s them', async (first, second, expected) => {
    await network.become(first, second);
    const name = `${first}-${second}.bin`;
    await writeRandomFile(join(folder, name), 40_000_000);
    expect(expected).toContain(await pathOf(name, await send(join(folder, name))));
  });

  test.each(['a', 'b'] as const)(
    'a cable of %s that is pulled and put back costs a resume',
    async (host) => {
      await network.become('keeps', 'keeps');
      const name = `cable-${host}.bin`;
      await writeRandomFile(join(folder, name), 200_000_000);
      const sent = send(join(folder, name), '--limit', '20MB/s', '--timeout', '2m');
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      await network.cable(host, 'down');
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      await network.cable(host, 'up');
      expect(await pathOf(name, await sent)).not.toBe('');
    },
    180_000,
  );

  test('a router that gets another address while a file goes costs a resume', async () => {
    const name = 'moved.bin';
    await writeRandomFile(join(folder, name), 200_000_000);
    const sent = send(join(folder, name), '--limit', '20MB/s', '--timeout', '3m');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await network.move('b', '203.0.113.22');
    expect(await pathOf(name, await sent)).not.toBe('');
  }, 240_000);

  test('a transfer over the relay moves when another way opens', async () => {
    await network.become('random', 'random');
    const name = 'opens.bin';
    await writeRandomFile(join(folder, name), 250_000_000);
    const sent = send(join(folder, name), '--limit', '3MB/s');
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    await network.become('keeps', 'keeps');
    expect(await pathOf(name, await sent)).toBe('punched');
  }, 240_000);
});
