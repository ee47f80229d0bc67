import { createLogger } from '@filer/program';
import { createIdentity, createKeyPair, FilerError, signServerList } from '@filer/protocol';
import { expect, onTestFinished, test, vi } from 'vitest';
import { CutOff } from '../../../apps/ip-server/src/network/cut-off.ts';

async function cutOff(silentMs: number, isAlone = false) {
  const [identity, networkKey] = [await createIdentity(), createKeyPair()];
  const other = await createIdentity();
  const ids = isAlone ? [identity.id] : [identity.id, other.id];
  const servers = ids.map((id) => ({ id, addresses: ['tcp:127.0.0.1:9'] }));
  const list = signServerList(networkKey, { serial: 1, servers });
  const asked: number[] = [];
  const lines: string[] = [];
  const server = new CutOff({
    ...{ identity, network: networkKey.id, software: '0.0.0', cutOffMs: 10_000 },
    log: await createLogger({ stream: { write: (line: string) => lines.push(line) > 0 } }),
    group: { list, silentMs },
    askStore: () => {
      asked.push(silentMs);
      return Promise.reject(new FilerError('timed-out', 'the database filer at db.example'));
    },
  });
  onTestFinished(() => server[Symbol.dispose]());
  return { server, asked, other: other.id, lines };
}

test('a server whose database answered just now says so without asking it again', async () => {
  const { server, asked } = await cutOff(4_000);
  await server.requireStore();

  expect(asked).toEqual([]);
});

// 3 s before another one of a database that is away for all counts as cut off.
test('a server that may be cut off asks the database once for all who come, and names it to none', async () => {
  const { server, asked } = await cutOff(7_000);
  const refused = await Promise.allSettled([server.requireStore(), server.requireStore()]);

  const reason = { code: 'timed-out', message: expect.not.stringContaining('db.example') as string };
  for (const each of refused) expect(each).toMatchObject({ reason });
  expect(asked).toHaveLength(1);
});

test('a server without others lets machines come whatever the database does', async () => {
  const { server, asked } = await cutOff(60_000, true);
  await server.requireStore();

  expect(asked).toEqual([]);
  expect(server.isLeft).toBe(false);
});

test('another server that asks again and again is told apart from machines, until it stops asking', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { server, other, lines } = await cutOff(0);
  const [away, gone] = [
    new FilerError('timed-out', 'cut off'),
    new FilerError('connection-closed', 'it has its answer'),
  ];
  const repeated = [away, away, gone, gone, away].map((why) => server.isRepeated(other, why));
  expect(repeated).toEqual([false, true, false, true, false]);
  const machine = (await createIdentity()).id;
  for (const id of [machine, machine, undefined, undefined]) expect(server.isRepeated(id, away)).toBe(false);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(server.isRepeated(other, away)).toBe(true);
  expect(lines).toEqual([]);
  await vi.advanceTimersByTimeAsync(40_000);
  expect(lines.filter((line) => line.includes(other))).toHaveLength(1);
  expect(server.isRepeated(other, away)).toBe(false);
});
