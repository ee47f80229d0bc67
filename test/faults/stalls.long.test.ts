import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PART_PREFIX } from '@filer/transfer';
import { jsonLines, type ProgramProcess } from '../support/programs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, sha256, TestNetwork } from '../support/test-network.ts';

const MiB = 1024 * 1024;
const BYTES = 48 * MiB;
/** Longer than either side waits for the other. */
const AWAY_MS = 75_000;

let network: TestNetwork;
let proxy: TcpProxy;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna'] });
  proxy = await TcpProxy.open();
  await Promise.all([network.join('bob'), network.join('carol')]);
  const bob = await network.startAlone('bob', '--advertise', proxy.address);
  proxy.target = bob.listen;
  await network.seesAs('anna', 'bob', 'online');
  await network.seesAs('carol', 'bob', 'online');
}, 60_000);
afterAll(async () => {
  await network.close();
  await proxy[Symbol.asyncDispose]();
});

/** How a command ended, and what became of what it sent. */
async function endOf(command: ProgramProcess, sender: string, name: string): Promise<object> {
  const { code, stdout, stderr } = await command.ended;
  const left = (await filesBelow(network.inbox('bob'))).filter((path) => path.includes(PART_PREFIX));
  return {
    code,
    failures: stderr.match(/^filer-client: .*$/gm),
    isThrifty: Number(jsonLines({ stdout }).at(-1)?.['bytesSent']) <= BYTES + 9 * MiB,
    isWhole: (await sha256(network.inbox('bob', sender, name))) === (await sha256(network.path(name))),
    left,
  };
}

/** It came whole by the same command, and little of it twice. */
const WELL = { code: 0, failures: null, isThrifty: true, isWhole: true, left: [] };

test('a laptop that is closed while it sends and opened again continues by itself', async () => {
  const file = await network.file('laptop.bin', BYTES);
  const told = network.daemon('bob').count('a transfer ended early');
  const held = proxy.hold(20 * MiB);
  const command = network.follow('carol', ['send', file, '--to', 'bob', '--json']);
  await held;
  command.child.kill('SIGSTOP');
  proxy.release();
  await network.daemon('bob').said('a transfer ended early', told + 1); // it was given up there
  await wait(AWAY_MS - 60_000);
  command.child.kill('SIGCONT');

  expect(await endOf(command, 'carol', 'laptop.bin')).toEqual(WELL);
});

test('a receiver that is stopped for longer than it is waited for gets the rest when it continues', async () => {
  const file = await network.file('stopped.bin', BYTES);
  const held = proxy.hold(20 * MiB);
  const command = network.follow('anna', ['send', file, '--to', 'bob', '--json', '--timeout', '3m']);
  await held;
  network.daemon('bob').child.kill('SIGSTOP');
  proxy.release();
  await command.typed('retry');
  network.daemon('bob').child.kill('SIGCONT');

  expect(await endOf(command, 'anna', 'stopped.bin')).toEqual(WELL);
});

test('a cable that carries nothing any more is noticed on both sides, and the rest goes once it does', async () => {
  const file = await network.file('cable.bin', BYTES);
  const told = network.daemon('bob').count('a transfer ended early');
  const held = proxy.hold(20 * MiB);
  const command = network.follow('anna', ['send', file, '--to', 'bob', '--json', '--timeout', '3m']);
  await held;
  await Promise.all([command.typed('retry'), network.daemon('bob').said('a transfer ended early', told + 1)]);
  proxy.cut();

  expect(await endOf(command, 'anna', 'cable.bin')).toEqual(WELL);
});
