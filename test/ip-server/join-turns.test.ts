import { createIdentity, dial, sayHello, unauthenticatedMessenger } from '@filer/protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { JoinTurns } from '../../apps/ip-server/src/network/join-turns.ts';
import { NetworkHere } from '../support/network-here.ts';
import { helloOf, TestMember } from '../support/test-member.ts';

const OPEN = new Promise<void>(() => undefined);

afterEach(() => void vi.useRealTimers());

test('joiners of one block have their turns one after the other, those of another block at once', async () => {
  const turns = new JoinTurns();
  const order: string[] = [];
  const end = await turns.take('a', OPEN);
  const second = turns.take('a', OPEN).then((ended) => {
    order.push('second');
    ended();
  });
  const third = turns.take('a', OPEN).then(() => order.push('third'));
  (await turns.take('b', OPEN))();
  expect(order).toEqual([]);
  end();
  end();
  await Promise.all([second, third]);

  expect(order).toEqual(['second', 'third']);
});

test('one that is silent in its turn holds the next one up for 2 s', async () => {
  vi.useFakeTimers();
  const turns = new JoinTurns();
  await turns.take('a', OPEN);
  let hasTurn = false;
  const waited = turns.take('a', OPEN).then(() => (hasTurn = true));
  await vi.advanceTimersByTimeAsync(1_999);
  expect(hasTurn).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await waited;
});

test('one whose turn does not come in time is told so, and one that has gone takes no turn', async () => {
  vi.useFakeTimers();
  const turns = new JoinTurns();
  await turns.take('a', OPEN);
  const gone = Promise.withResolvers<void>();
  const left = turns.take('a', gone.promise);
  gone.resolve();
  await expect(left).rejects.toMatchObject({ code: 'rate-limited' });
  // Each is silent for all of its turn of 2 s: the turn of the last one would come after 10 s.
  const waited = Promise.allSettled(Array.from({ length: 5 }, () => turns.take('a', OPEN)));
  await vi.advanceTimersByTimeAsync(8_000);
  const outcomes = await waited;

  expect(outcomes.slice(0, 3).map(({ status }) => status)).toEqual(Array(3).fill('fulfilled'));
  expect(outcomes.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'rate-limited' } });
});

test('30 machines that join at the same time from one address all succeed, beside one that says nothing', async () => {
  await using network = await NetworkHere.open();
  const link = await network.invite('--uses', '30');
  const first = await TestMember.join(link, 'm0');
  const { server, network: id } = first;
  const endpoint = {
    ...server,
    transport: 'tls',
    identity: await createIdentity(),
    expect: server.id,
  } as const;
  const silent = unauthenticatedMessenger(await dial(endpoint));
  await sayHello(silent, helloOf(id, { role: 'join' }));
  const names = Array.from({ length: 29 }, (_, index) => `m${index + 1}`);
  const joined = Promise.all(names.map((name) => TestMember.join(link, name)));

  expect((await joined).map(({ membership }) => membership.name)).toEqual(names);
  silent.destroy();
});
