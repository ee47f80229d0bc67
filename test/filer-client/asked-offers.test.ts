import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createKeyPair, type Membership, type Offer } from '@filer/protocol';
import { resolveHome } from '@filer/program';
import { AskedOffers } from '../../apps/filer-client/src/receive/asked-offers.ts';
import { Member } from '../../apps/filer-client/src/network/member.ts';
import type { AskedOffer } from '../../apps/filer-client/src/store/offer-store.ts';
import { TestNetwork } from '../support/test-network.ts';

let network: TestNetwork;
let member: Member;
let offers: AskedOffers;
let changes: string[];
let anna: Membership;

beforeAll(async () => {
  network = await TestNetwork.open();
  await network.join('bob');
});
afterAll(() => network.close());

beforeEach(async () => {
  member = await Member.open(resolveHome('filer-client', { FILER_HOME: network.home('bob') }));
  anna = { ...member.membership, id: createKeyPair().id, name: 'anna' };
  changes = [];
  offers = open();
});
afterEach(() => member[Symbol.dispose]());

function open(): AskedOffers {
  return new AskedOffers(member, ({ state }: AskedOffer) => changes.push(state));
}

function offerOf(job: string): Offer {
  return { job, complete: true, files: 3, bytes: 30, names: ['a', 'b/c'], note: '' };
}

/** An offer of anna's that waits; `leave` is the end of her connection. */
function ask(job: string): { answer: Promise<unknown>; leave: () => void; id: string } {
  const gone = new AbortController();
  const asker = { signal: gone.signal, asked: () => undefined };
  const answer = offers
    .ask(offerOf(job), anna, { folder: '/inbox/anna', refusals: [] }, asker)
    .catch((error: unknown) => error);
  const leave = (): void => gone.abort();
  return { answer, leave, id: member.offers.find(anna.id, job)?.id ?? '' };
}

const ALL = { ids: [], all: true, from: undefined };
const YES = { accept: true, reason: '' };

function only(...ids: string[]): { ids: string[]; all: boolean; from: undefined } {
  return { ids, all: false, from: undefined };
}

test('what is accepted is a cap, and what came of it since does not come again', async () => {
  const { answer, id } = ask('job');
  offers.answer(only(id.slice(0, 6)), YES);

  expect(await answer).toEqual({ files: 3, bytes: 30, names: new Set(['a', 'b']) });
  const item = { id: 'i', job: 'job', from: anna.id, fromName: 'anna', path: '/inbox/anna/a', name: 'a' };
  const came = { size: 10, digest: '', receivedAt: Date.now(), note: '', state: 'received' } as const;
  await member.inbox.add({ ...item, ...came, wasThere: false });
  await member.inbox.add({ ...item, ...came, id: 'j', wasThere: true });
  expect(offers.accepted(anna.id, { job: 'job' })).toMatchObject({ files: 2, bytes: 20 });
  expect(offers.accepted(anna.id, { job: 'another job' })).toBeUndefined();
  expect(offers.accepted(createKeyPair().id, { job: 'job' })).toBeUndefined();
});

test('what was declined while its sender was away stays declined for that job, until somebody thinks again', async () => {
  const { answer, leave, id } = ask('job');
  leave();
  expect(await answer).toMatchObject({ code: 'connection-closed' });
  offers.left(anna.id, 'job', false);

  expect(offers.answer(only(id), { accept: false, reason: 'no' })).toMatchObject([{ state: 'lost' }]);

  expect(() => offers.accepted(anna.id, { job: 'job' })).toThrow('bob declined: no');
  offers.answer(only(id), YES);
  expect(offers.accepted(anna.id, { job: 'job' })).toMatchObject({ files: 3, bytes: 30 });
  expect(changes).toEqual(['waiting', 'lost', 'declined', 'accepted']);
});

test('what was withdrawn cannot be answered, and what waited when the daemon ended is lost', async () => {
  const [withdrawn, cut] = [ask('withdrawn'), ask('cut')];
  withdrawn.leave();
  await withdrawn.answer;
  offers.left(anna.id, 'withdrawn', true);
  offers = open();

  expect(() => offers.answer(only(withdrawn.id), YES)).toThrow('was withdrawn by anna');
  expect(member.offers.find(anna.id, 'cut')?.state).toBe('lost');
  expect(offers.answer(only(cut.id), YES)).toHaveLength(1);
});

test('an old connection of a job that ends does not end the waiting of the new one', async () => {
  const [old, current] = [ask('job'), ask('job')];
  old.leave();
  await old.answer;
  offers.left(anna.id, 'job', false);

  expect(member.offers.find(anna.id, 'job')?.state).toBe('waiting');
  offers.answer({ ids: [], all: false, from: 'anna' }, YES);
  expect(await current.answer).toMatchObject({ files: 3 });
});

test('one sender has sixteen offers waiting at most', async () => {
  const waiting = Array.from({ length: 16 }, (_, n) => ask(`job-${n}`));

  expect(await ask('one more').answer).toMatchObject({ code: 'rate-limited' });

  offers.answer(ALL, YES);
  expect(await Promise.all(waiting.map(({ answer }) => answer))).toHaveLength(16);
});

test('the beginning of several ids names none of them', () => {
  const prefix = 'same-beginning-';
  for (const n of [1, 2]) {
    const offer = {
      ...offerOf(`job-${n}`),
      from: anna.id,
      fromName: 'anna',
      folder: '/inbox',
      contents: [],
      mirror: false,
      refusals: [],
    };
    member.offers.put({ ...offer, id: `${prefix}${n}`, offeredAt: n, state: 'lost', reason: '' });
  }

  expect(() => offers.answer(only(prefix), YES)).toThrow(expect.objectContaining({ code: 'usage' }));
  expect(offers.answer(only(`${prefix}1`), YES)).toMatchObject([{ id: `${prefix}1` }]);
});
