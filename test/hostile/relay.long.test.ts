import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  contactAnswerMessage,
  contactMessage,
  encodeFrame,
  MAX_RELAYED,
  MAX_RELAYED_PER_PEER,
} from '@filer/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkHere } from '../support/network-here.ts';
import { comesBack, TestMember, type MemberConnection } from '../support/test-member.ts';

const MACHINES = 1_000;
const BYTES = 4 * 1024 * 1024;

let network: NetworkHere;
const members: TestMember[] = [];
const connections: MemberConnection[] = [];
const sockets: Socket[] = [];

beforeAll(async () => {
  network = await NetworkHere.open();
  const link = await network.invite('--uses', String(MACHINES));
  for (let n = 0; n < MACHINES; n++) members.push(await TestMember.join(link, `m${n}`));
}, 600_000);

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  for (const { session } of connections) session.messenger.destroy();
  await network[Symbol.asyncDispose]();
});

function relayed(token = ''): Socket {
  const socket = connect(network.port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.write(encodeFrame({ type: 'relay', token }));
  return socket;
}

test(`${MACHINES} machines that come back in the same second are all let in`, async () => {
  const begun = performance.now();
  connections.push(...(await Promise.all(members.map(comesBack))));
  const seconds = (performance.now() - begun) / 1_000;
  process.stdout.write(`${MACHINES} machines were back after ${seconds.toFixed(1)} s\n`);
  expect(connections).toHaveLength(MACHINES);
}, 300_000);

test(`${MAX_RELAYED} pairs are relayed at once, one more is refused, and each gets what is its own`, async () => {
  const asked = connections.slice(0, MAX_RELAYED / MAX_RELAYED_PER_PEER);
  const other = connections.at(-1);
  if (other === undefined) throw new Error('there are machines');
  const ask = async (by: MemberConnection): Promise<string | undefined> =>
    contactAnswerMessage.parse(
      await by.session.ask(contactMessage.format({ peer: other.member.id, relay: true })),
    ).relay;
  const pairs: { readonly near: Socket; readonly far: Socket }[] = [];
  for (const by of asked)
    for (let n = 0; n < MAX_RELAYED_PER_PEER; n++) {
      const near = relayed(await ask(by));
      await other.until(() => other.reached.length > pairs.length);
      pairs.push({ near, far: relayed(other.reached[pairs.length]?.relay) });
    }
  expect(pairs).toHaveLength(MAX_RELAYED);
  const late = connections.at(-2) ?? other;
  await expect(ask(late)).rejects.toMatchObject({ code: 'too-many-connections' });

  const [begun, cpu] = [performance.now(), process.cpuUsage()];
  const all = pairs.map(async ({ near, far }, n) => {
    near.end(Buffer.alloc(BYTES, n));
    let bytes = 0;
    far.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (piece[0] !== n || piece.at(-1) !== n) bytes = Number.NaN;
    });
    await once(far, 'end');
    return bytes;
  });
  expect(await Promise.all(all)).toEqual(pairs.map(() => BYTES));
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const mib = (MAX_RELAYED * BYTES) / 1024 ** 2;
  process.stdout.write(
    `${mib} MiB in ${MAX_RELAYED} pairs: ${(mib / seconds).toFixed(0)} MiB/s, ${((user + system) / 1e6).toFixed(1)} s of CPU, both ends included\n`,
  );
}, 300_000);
