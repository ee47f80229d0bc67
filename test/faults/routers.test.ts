import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NatNetwork } from '../support/nat-network.ts';
import { needs } from '../support/needs.ts';
import { DaemonProcess, jsonLines, runProgram } from '../support/programs.ts';
import { sha256, writeRandomFile } from '../support/test-network.ts';

describe.skipIf(needs.namespaces() || needs('nft'))('two machines behind a router each', () => {
  let folder: string;
  let network: NatNetwork;
  const daemons: DaemonProcess[] = [];
  const home = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filer-routers-'));
    network = await NatNetwork.open('random', 'random');
    const server = network.on('server');
    const flags = ['--port', '0', '--http-port', 'off', '--advertise', `${NatNetwork.server}:10901`];
    daemons.push(
      await DaemonProcess.start('ip-server', [...flags.slice(2), '--port', '10901'], home('server'), server),
    );
    const { stdout: input } = await runProgram(
      'ip-server',
      ['invite', '--uses', '2'],
      home('server'),
      server,
    );
    for (const [name, host] of [
      ['anna', 'a'],
      ['ben', 'b'],
    ] as const) {
      const on = network.on(host);
      const joined = await runProgram('filer-client', ['join', '-', '--name', name], home(name), {
        ...on,
        input,
      });
      if (joined.code !== 0) throw new Error(joined.stderr);
      const daemon = await DaemonProcess.start('filer-client', [], home(name), on);
      daemons.push(daemon);
      await daemon.said('connected to the ip-server');
    }
  });

  afterAll(async () => {
    for (const daemon of daemons.toReversed()) await daemon.stop('SIGKILL');
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

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
