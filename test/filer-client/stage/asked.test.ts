import { readFile } from 'node:fs/promises';
import { createLogger, resolveHome } from '@filer/program';
import {
  FilerError,
  loadIdentity,
  parseMembership,
  signStageWord,
  stageMessage,
  stageStateMessage,
  unlessAborted,
  type Identity,
  type Message,
  type RemovedBatch,
  type StageAct,
  type StageHook,
  type StageState,
} from '@filer/protocol';
import { signRemoved } from '@filer/transfer';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import { Rollouts } from '../../../apps/filer-client/src/send/rollouts.ts';
import type { RolloutAct } from '../../../apps/filer-client/src/store/release-store.ts';
import { NetworkHere } from '../../support/network-here.ts';

interface Asked {
  readonly act: StageAct;
  readonly from?: number | undefined;
}
interface Told {
  readonly state: StageState;
  readonly hook?: StageHook;
  readonly removed?: number;
  readonly page?: RemovedBatch;
  /** The job that the word names. @default the one that was asked about */
  readonly job?: string;
}

const RUNNING: StageHook = { state: 'running', exitCode: null, line: '' };
const FAILED: StageHook = { state: 'failed', exitCode: 1, line: 'no' };

let network: NetworkHere;
let member: Member;
let bob: Identity;
let rollouts: Rollouts;
/** What bob answers. */
let answer: (asked: Asked) => Told | Promise<Told>;
/** All that bob was asked for. */
let asked: StageAct[];
let job: string;
let jobs = 0;
let isAway = false;

beforeAll(async () => {
  network = await NetworkHere.open();
  await network.join('anna');
  await network.join('bob');
  const homes = ['anna', 'bob'].map((name) =>
    resolveHome('filer-client', { FILER_HOME: network.home(name) }),
  );
  const [annaHome, bobHome] = homes;
  if (annaHome === undefined || bobHome === undefined) throw new Error('two homes');
  member = await Member.open(annaHome);
  const identity = await loadIdentity(bobHome.identityFolder);
  if (identity === undefined) throw new Error('bob has joined');
  bob = identity;
  const kept: unknown = JSON.parse(await readFile(bobHome.membershipFile, 'utf8'));
  if (typeof kept !== 'object' || kept === null || !('membership' in kept)) throw new Error('bob has joined');
  member.directory.learn(parseMembership(kept.membership));
});
beforeEach(async () => {
  job = `job${++jobs}`;
  asked = [];
  isAway = false;
  const request = JSON.stringify({ paths: ['/x'], stage: true, mirror: true });
  member.jobs.create(
    { id: job, createdAt: 1, network: member.network, queue: true, request, owner: 'daemon' },
    [{ id: bob.id, name: 'bob' }],
  );
  member.releases.signed(job, { id: bob.id, name: 'bob' }, wordOf({ state: 'staged' }));
  rollouts = await open();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rollouts.close();
});
afterAll(async () => {
  member[Symbol.dispose]();
  await network[Symbol.asyncDispose]();
});

function wordOf({ state, removed = 0, job: of = job }: Told) {
  const claims = { network: member.network, job: of, sender: member.id, time: 1, files: 1, bytes: 1 };
  return signStageWord({ ...claims, state, removed }, bob);
}

async function ask(
  { header, content }: { header: object; content?: Uint8Array | undefined },
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<Message> {
  const said = { header: { ...header, id: '1' }, content: Buffer.from(content ?? []) };
  const { act, from } = stageMessage.parse(said);
  asked.push(act);
  const told = await unlessAborted(Promise.resolve(answer({ act, from })), signal);
  const state = { word: wordOf(told), hook: told.hook ?? null, removed: told.page ?? null };
  const formatted = stageStateMessage.format(state);
  return { header: { ...formatted.header, re: '1' }, content: Buffer.from(formatted.content ?? []) };
}

/** Those of anna, as her daemon has them: bob is asked over a session that is there, unless he is away. */
async function open(hookMs?: number): Promise<Rollouts> {
  const gone = new FilerError('server-unreachable', 'there is no server in this test');
  const access = {
    session: () => Promise.reject(gone),
    current: undefined,
    problem: undefined,
    overLoopback: true,
    upToDate: () => Promise.resolve(),
    refresh: () => Promise.resolve(),
    kickSpool: () => undefined,
  };
  const log = await createLogger({ stream: { write: () => undefined } });
  const outreach = { member, access, software: 'test' };
  const opened = new Rollouts({ outreach, sessionWith: () => ({ ask }), log, hookMs });
  vi.spyOn(opened, 'isAway').mockImplementation(() => isAway);
  return opened;
}

function begin(act: RolloutAct, waves: readonly (readonly string[])[] = [[bob.id]]): void {
  rollouts.begin({ job, act, pauseMs: 0, dueAt: 0 }, waves, 1);
}

/** Waits as long as a busy machine takes. */
async function eventually(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 20_000 });
}

async function ended(state: 'done' | 'stopped' = 'done'): Promise<void> {
  await eventually(() => expect(member.releases.rollout(job)?.state).toBe(state));
}

function stage() {
  return member.releases.one(job, bob.id);
}

/** What bob removed of a release: so many files, from one number on. */
function page(from: number, files: number, kind: 'file' | 'dir' = 'file'): RemovedBatch {
  const removed = Array.from({ length: files }, (_, n) => {
    const name = `x/${from + n}`;
    return kind === 'dir'
      ? { name, path: name, kind, size: 0 }
      : { name, path: name, kind, size: 1, digest: `blake3:${'0'.repeat(64)}` };
  });
  return signRemoved({ network: member.network, job, sender: member.id, time: 1, files: removed }, bob);
}

test('a rollback that is given while a release still runs is done after it, and its answer changes nothing of the rollback', async () => {
  const release = Promise.withResolvers<Told>();
  let isReleased = false;
  answer = async ({ act }) => {
    if (act === 'release') {
      const told = await release.promise;
      isReleased = true;
      return told;
    }
    // As a recipient does: one after the other.
    await release.promise;
    if (act === 'rollback') isReleased = false;
    return { state: isReleased || act === 'ask' ? 'released' : 'rolled-back' };
  };
  begin('release');
  await eventually(() => expect(asked).toEqual(['release']));

  begin('rollback');
  release.resolve({ state: 'released' });
  await ended();

  expect(member.releases.rollout(job)).toMatchObject({ act: 'rollback', number: 2 });
  expect(stage()).toMatchObject({ word: { state: 'rolled-back' }, wanted: undefined, code: undefined });
  expect(asked).toEqual(['release', 'ask', 'rollback']);
});

test('what a release that was replaced is answered is not noted', async () => {
  begin('release');
  const old = stage();
  if (old === undefined) throw new Error('bob has it staged');
  answer = () => new Promise(() => undefined);
  begin('rollback');

  member.releases.done(old, wordOf({ state: 'released' }), null);
  member.releases.failed(old, 'refused', 'no', false);
  member.releases.stop({ job, number: 1 }, 'of the old one');

  expect(stage()).toMatchObject({
    word: { state: 'staged' },
    wanted: 'rollback',
    code: undefined,
    rollout: 2,
  });
  expect(member.releases.rollout(job)).toMatchObject({ state: 'running', number: 2 });
});

test('one that is away, and that a newer release does not name, still gets what it was to get', async () => {
  isAway = true;
  begin('release');
  await ended();
  begin('rollback', []);
  await ended();
  expect(stage()).toMatchObject({ wanted: 'release', rollout: 1 });
  answer = () => ({ state: 'released' });
  isAway = false;

  rollouts.look();

  await eventually(() => expect(stage()).toMatchObject({ word: { state: 'released' }, wanted: undefined }));
});

test('one that an older release had not reached, and that the newer one does not name, stays as it is', async () => {
  answer = () => new Promise(() => undefined);
  begin('release', [['nobody'], [bob.id]]);
  begin('rollback', []);
  await ended();
  expect(stage()).toMatchObject({ wanted: undefined, status: expect.stringContaining('not reached') });
});

test('one that has what a stopped release asks for is not called one that was not reached', async () => {
  answer = () => ({ state: 'released' });
  begin('release', [[bob.id]]);
  await ended();
  begin('release', [['nobody'], [bob.id]]);
  await ended('stopped');

  expect(stage()).toMatchObject({ word: { state: 'released' }, wanted: undefined, status: '' });

  begin('rollback', [['nobody'], [bob.id]]);
  await ended('stopped');

  expect(stage()).toMatchObject({ wanted: undefined, status: expect.stringContaining('not reached') });
});

test('one that has what a withdrawn release was to bring is not called one from which it was taken back', async () => {
  answer = () => ({ state: 'released' });
  begin('release', [[bob.id]]);
  await ended();
  rollouts.begin({ job, act: 'release', pauseMs: 0, dueAt: Date.now() + 3_600_000 }, [[bob.id]], 1);

  rollouts.withdraw(job, 'release', [bob.id]);

  expect(stage()).toMatchObject({ word: { state: 'released' }, wanted: undefined, status: '' });
});

test('one whose program failed, and that a stopped release did not ask again, was not reached', async () => {
  answer = () => ({ state: 'released', hook: FAILED });
  begin('release', [[bob.id]]);
  await ended('stopped');
  begin('release', [['nobody'], [bob.id]]);
  await ended('stopped');

  expect(stage()).toMatchObject({ wanted: undefined, status: expect.stringContaining('not reached') });
});

test('a release that is planned begins when its time has come, after a restart too, and not before', async () => {
  answer = () => ({ state: 'released' });
  const dueAt = Date.now() + 3_600_000;
  rollouts.begin({ job, act: 'release', pauseMs: 0, dueAt }, [[bob.id]], 1);
  await rollouts.close();
  rollouts = await open();
  rollouts.look();
  expect(member.releases.rollout(job)?.state).toBe('running');
  expect(asked).toEqual([]);
  vi.spyOn(Date, 'now').mockReturnValue(dueAt);

  rollouts.look();

  await ended();
  expect(stage()).toMatchObject({ word: { state: 'released' } });
});

test('a clock that is set does not end the pause before the next wave', async () => {
  answer = () => ({ state: 'released' });
  const waves = [[bob.id], ['nobody']];
  rollouts.begin({ job, act: 'release', pauseMs: 3_600_000, dueAt: 0 }, waves, 1);
  await eventually(() => expect(member.releases.rollout(job)?.wave).toBe(2));
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 2 * 3_600_000);

  rollouts.look();
  await new Promise((resolve) => setImmediate(resolve));

  expect(member.releases.rollout(job)).toMatchObject({ state: 'running', wave: 2 });
});

test('a release that is withdrawn before it begins changes nothing, and can be given again', async () => {
  answer = () => ({ state: 'released' });
  rollouts.begin({ job, act: 'release', pauseMs: 0, dueAt: Date.now() + 3_600_000 }, [[bob.id]], 1);

  rollouts.withdraw(job, 'release', [bob.id]);

  expect(member.releases.rollout(job)?.state).toBe('stopped');
  expect(stage()).toMatchObject({ wanted: undefined, code: undefined, status: 'withdrawn' });
  expect(asked).toEqual([]);
  begin('release');
  await ended();
  expect(stage()).toMatchObject({ word: { state: 'released' } });
});

test('one that is being asked while its release is withdrawn may have done it', async () => {
  answer = () => new Promise(() => undefined);
  begin('release');
  await eventually(() => expect(asked).toEqual(['release']));

  rollouts.withdraw(job, 'release', [bob.id]);

  expect(member.releases.rollout(job)?.state).toBe('stopped');
  expect(stage()).toMatchObject({ wanted: undefined, code: 'interrupted' });
});

test('the ledger keeps each step, and how its program ended', async () => {
  answer = () => ({ state: 'released', hook: FAILED });
  begin('release');
  await ended('stopped');
  answer = ({ act }) => ({ state: act === 'rollback' ? 'rolled-back' : 'released' });
  begin('rollback');
  await ended();
  expect(member.releases.steps(job, bob.id)).toMatchObject([
    { word: { state: 'staged' }, hook: undefined },
    { word: { state: 'released' }, hook: FAILED },
    { word: { state: 'rolled-back' }, hook: undefined },
  ]);
});

test('one of which the hook failed and which is off now is rolled back when it comes', async () => {
  answer = () => ({ state: 'released', hook: FAILED });
  begin('release');
  await ended('stopped');
  expect(stage()?.hook).toEqual(FAILED);
  isAway = true;

  begin('rollback');
  await ended();

  expect(stage()).toMatchObject({ wanted: 'rollback', hook: undefined });
  isAway = false;
  answer = ({ act }) => ({ state: act === 'rollback' ? 'rolled-back' : 'released' });
  rollouts.look();
  await eventually(() =>
    expect(stage()).toMatchObject({ word: { state: 'rolled-back' }, wanted: undefined }),
  );
});

test('one whose program never ends has failed after a time', async () => {
  rollouts = await open(0);
  answer = () => ({ state: 'released', hook: RUNNING });
  begin('release');
  await ended('stopped');
  expect(stage()).toMatchObject({ code: 'timed-out', wanted: undefined });
});

test.each([
  ['a word about another job', (): Told => ({ state: 'released', job: 'another' }), 'signature-invalid'],
  ['a word that it is still staged', (): Told => ({ state: 'staged' }), 'verification-failed'],
  [
    'removals without an end',
    ({ from = 0 }: Asked): Told => ({ state: 'released', removed: 3, page: page(from, 2) }),
    'verification-failed',
  ],
  [
    'fewer removals than it signed for',
    ({ from }: Asked): Told => ({
      state: 'released',
      removed: 3,
      ...(from === 0 ? { page: page(0, 2) } : {}),
    }),
    'verification-failed',
  ],
])('%s ends the asking', async (_, told, code) => {
  answer = told;
  begin('release');
  await ended('stopped');
  expect(stage()).toMatchObject({ code });
});

test('what was removed is kept, folders too', async () => {
  answer = ({ from }) => ({
    state: 'released',
    removed: 2,
    ...(from === 0 ? { page: page(0, 2) } : from === 2 ? { page: page(2, 1, 'dir') } : {}),
  });
  begin('release');
  await ended();
  expect(stage()).toMatchObject({ word: { state: 'released' }, code: undefined });
  expect(member.removed.of(job, bob.id).map(({ batch }) => batch?.files.length)).toEqual([2, 1]);
});
