import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  dial,
  fieldsOf,
  loadIdentity,
  MAX_MEASURE_PIECE_BYTES,
  measureBackMessage,
  measureEndMessage,
  measureGrantedMessage,
  measureMessage,
  parseHostPort,
  parseJson,
  parseMembership,
  sayHello,
  Session,
  unauthenticatedMessenger,
} from '@filer/protocol';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { EvilPeer } from '../support/evil-peer.ts';
import { runHere } from '../support/in-process.ts';
import { openLiar } from '../support/liar-here.ts';
import type { ClientHere, NetworkHere } from '../support/network-here.ts';
import { jsonLines, type Line } from '../support/programs.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { helloOf } from '../support/test-member.ts';
import type { Hand } from '../transfer/by-hand.ts';

/* What `doctor` says where the peer gives false answers, and what a machine can make of the answers of another one's daemon. */

let network: NetworkHere;
let proxy: TcpProxy;
let liar: EvilPeer;
let anna: ClientHere;

beforeAll(async () => {
  ({ network, proxy, liar, anna } = await openLiar());
  await network.join('mallory');
});
afterAll(async () => {
  await network[Symbol.asyncDispose]();
  await liar[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

/** Answers what `doctor` asks as given, by type, for as long as the connection stands. */
function answers(by: Readonly<Record<string, (hand: Hand, re: string) => Promise<void>>>): void {
  liar.does = async ({ hand }) => {
    for (;;) {
      const asked = await hand.hear(...Object.keys(by));
      if (asked === undefined) return;
      const { type = '', id: re = '' } = asked.header;
      await by[type]?.(hand, re);
    }
  };
}

const honest = {
  probe: (hand: Hand, re: string) => hand.say({ type: 'probed', re, time: String(Date.now()) }),
  measure: (hand: Hand, re: string) =>
    hand.say({ type: 'measure-granted', re, maxBytes: '1048576', maxMs: '50' }),
  'measure-end': (hand: Hand, re: string) => hand.say({ type: 'measured', re, bytes: '1000000', ms: '10' }),
  'measure-back': (hand: Hand, re: string) => hand.say({ type: 'measured', re, bytes: '0', ms: '0' }),
};

async function doctor(...args: string[]): Promise<{ code: number | null; of: (check: string) => Line }> {
  const outcome = await runHere('filer-client', anna.home, ['doctor', 'bob', ...args, '--json']);
  const checks = (jsonLines(outcome)[0]?.['checks'] ?? []) as Line[];
  return { code: outcome.code, of: (name) => checks.find(({ check }) => check === name) ?? {} };
}

test('a peer that says it received more than was sent is not believed', async () => {
  const measured = { type: 'measured', bytes: String(2 ** 50), ms: '1000' };
  answers({ ...honest, 'measure-end': (hand, re) => hand.say({ ...measured, re }) });
  const { of } = await doctor();

  const facts = of('throughput')['facts'] as Line;
  expect(Number(facts['upBytesPerSecond'])).toBeLessThanOrEqual(1_048_576);
  expect(facts['downBytesPerSecond']).toBeNull();
});

test('pieces without an end are left after what was agreed', async () => {
  const piece = Buffer.alloc(MAX_MEASURE_PIECE_BYTES);
  let sent = 0;
  answers({
    ...honest,
    'measure-back': async (hand, re) => {
      for (;;) {
        await hand.say({ type: 'measure-piece', re, more: '1' }, piece);
        sent += piece.length;
      }
    },
  });
  const { of, code } = await doctor();

  expect(of('throughput')).toMatchObject({ state: 'failed', facts: { code: 'too-large' } });
  expect(code).toBe(1);
  expect(sent).toBeGreaterThan(1_048_576);
});

test('a piece that is larger than any, and one that is empty, are refused', async () => {
  for (const bytes of [MAX_MEASURE_PIECE_BYTES + 1, 0]) {
    answers({
      ...honest,
      'measure-back': (hand, re) => hand.say({ type: 'measure-piece', re, more: '1' }, Buffer.alloc(bytes)),
    });
    expect((await doctor()).of('throughput')).toMatchObject({ facts: { code: 'message-malformed' } });
  }
});

test('numbers that are none are refused', async () => {
  const granted = { type: 'measure-granted', maxBytes: '-1', maxMs: 'soon' };
  answers({ ...honest, measure: (hand, re) => hand.say({ ...granted, re }) });

  expect((await doctor()).of('throughput')).toMatchObject({ facts: { code: 'message-malformed' } });
});

test('a clock that cannot be is named, and words that move the cursor are shown escaped', async () => {
  answers({
    ...honest,
    probe: (hand, re) => hand.say({ type: 'probed', re, time: '1', observed: '\u001b[2J' }),
    measure: (hand, re) => hand.say({ type: 'error', re, code: 'refused', message: 'no\u001b[2J\u202e' }),
  });
  const { of } = await doctor();
  const { stdout } = await runHere('filer-client', anna.home, ['doctor', 'bob']);

  expect(of('peer-clock')).toMatchObject({ state: 'failed' });
  expect(of('throughput')).toMatchObject({ state: 'skipped' });
  expect(stdout).not.toMatch(/[\u001b\u202e]/);
});

test('a peer that says nothing is left when the time is over', async () => {
  answers({ nothing: () => Promise.resolve() });

  expect((await doctor('--timeout', '300ms')).code).toBe(9);
});

/** A session of mallory, a member, with anna. */
async function mallory(): Promise<Session> {
  const home = network.home('mallory');
  const identity = await loadIdentity(home);
  if (identity === undefined) throw new Error('it has joined');
  const file = fieldsOf(parseJson(await readFile(join(home, 'membership.json')), 'file', 1e6), 'file');
  const membership = parseMembership(file['membership']);
  const address = parseHostPort(anna.daemon.listen);
  const link = await dial({ transport: 'tls', ...address, identity, expect: anna.daemon.id });
  const messenger = unauthenticatedMessenger(link);
  await sayHello(messenger, helloOf(membership.network, { role: 'command', membership }));
  const session = new Session(messenger);
  onTestFinished(() => session.close());
  return session;
}

test('pieces that were not permitted end the connection', async () => {
  const session = await mallory();
  await session.notify({ type: 'measure-piece' }, Buffer.alloc(1_000));

  await expect(session.closed).resolves.toMatchObject({ code: 'refused' });
});

test('an end and a way back that were not permitted are refused', async () => {
  const session = await mallory();

  for (const message of [measureEndMessage.format({}), measureBackMessage.format({})])
    await expect(session.ask(message)).rejects.toMatchObject({ code: 'refused' });
});

test('of hundreds of wishes to measure two are granted, one after the other, and the way back goes once', async () => {
  const first = await mallory();
  const asked = await Promise.allSettled(
    Array.from({ length: 300 }, () => first.ask(measureMessage.format({}))),
  );
  const granted = asked.flatMap((each) =>
    each.status === 'fulfilled' ? [measureGrantedMessage.parse(each.value).maxMs] : [],
  );
  const types: string[] = [];
  for await (const { header } of first.requestStream({ type: 'measure-back' }))
    types.push(header['type'] ?? '');
  await expect(first.ask(measureBackMessage.format({}))).rejects.toMatchObject({ code: 'refused' });
  await first.close();
  const second = await mallory();
  await second.ask(measureMessage.format({}));
  await second.close();
  const third = await mallory();

  expect(granted).toEqual([100]);
  expect(types.at(-1)).toBe('measured');
  await expect(third.ask(measureMessage.format({}))).rejects.toMatchObject({ code: 'rate-limited' });
});
