import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, resolveHome } from '@filer/program';
import {
  createKeyPair,
  MAX_STAGED_ENTRIES,
  MAX_STAGED_TOP_CHARS,
  signStageWord,
  type Membership,
  type Offer,
} from '@filer/protocol';
import { FileDigests, FreeSpace, type Stage } from '@filer/transfer';
import { afterAll, beforeAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import { StageSwitch } from '../../../apps/filer-client/src/receive/stage/stage-switch.ts';
import { StageUpkeep } from '../../../apps/filer-client/src/receive/stage/stage-upkeep.ts';
import { Stages, type StageSettings } from '../../../apps/filer-client/src/receive/stage/stages.ts';
import { NetworkHere } from '../../support/network-here.ts';

const SETTINGS: StageSettings = {
  accept: 'members',
  allowRelease: true,
  allowMirror: true,
  stagedKeepMs: 1e9,
  stagedLinks: false,
  sync: false,
  onReceived: undefined,
};
const DIGEST = `blake3:${'0'.repeat(64)}`;

let network: NetworkHere;
let member: Member;
let inbox: string;
/** Who sends; any machine will do. */
let from: Membership;
let stages: Stages;
let upkeep: StageUpkeep;
let act: StageSwitch;
let job: string;
let jobs = 0;

beforeAll(async () => {
  network = await NetworkHere.open();
  await network.join('bob');
  member = await Member.open(resolveHome('filer-client', { FILER_HOME: network.home('bob') }));
  inbox = join(network.folder, 'inbox');
  await mkdir(inbox);
});
beforeEach(async () => {
  job = `job${++jobs}`;
  from = { ...member.membership, id: createKeyPair().id, name: 'anna' };
  await open();
});
afterEach(() => void vi.restoreAllMocks());
afterAll(async () => {
  member[Symbol.dispose]();
  await network[Symbol.asyncDispose]();
});

async function open(changed: Partial<StageSettings> = {}): Promise<void> {
  const log = await createLogger({ stream: { write: () => undefined } });
  const options = { member, inbox, settings: { ...SETTINGS, ...changed }, log };
  stages = new Stages(options);
  upkeep = new StageUpkeep({ ...options, stages });
  const space = new FreeSpace(inbox);
  act = new StageSwitch({ ...options, stages, upkeep, space, onHook: () => undefined });
}

function propose(files = 1, of = job, sender = from): Promise<Stage> {
  const offer: Offer = { job: of, complete: true, files, bytes: 1, names: [], note: '' };
  return stages.propose(offer, sender, 'anna');
}

/** Stages a folder with one file, whole. */
async function stageFolder(sender: Membership, of: string, name: string): Promise<void> {
  using stage = await propose(1, of, sender);
  stage.begin();
  const folder = join(inbox, 'anna', stage.hidden, 'build');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), name);
  const path = `build/${name}`;
  const at = `anna/${stage.hidden}/${path}`;
  const digests = new FileDigests();
  digests.update(Buffer.from(name));
  const { digest, blocks } = digests.finish();
  stage.note([{ entry: 0, name: path, path: at, size: name.length, digest, blocks, synced: true }]);
  await stage.seal((each) => (each.endsWith('/build') || each.endsWith(`/${name}`) ? 'yes' : 'no'));
}

/** Moves the clock that ages are judged by, and not the one that counts. */
function setClock(byMs: number): void {
  const { clock } = member;
  const now = clock.now();
  vi.spyOn(clock, 'now').mockReturnValue(now + byMs);
}

function state(): string | undefined {
  return member.stages.find(from.id, job)?.state;
}

/** Has one file come, whole. @returns where it is */
async function fill(stage: Stage): Promise<string> {
  const folder = join(inbox, 'anna', stage.hidden);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'a'), 'a');
  stage.note([
    {
      entry: 0,
      name: 'a',
      path: `anna/${stage.hidden}/a`,
      size: 1,
      digest: DIGEST,
      blocks: DIGEST,
      synced: true,
    },
  ]);
  return join(folder, 'a');
}

/** All that the job has there is `a`. */
function stands(path: string): 'yes' | 'no' {
  return path.endsWith('/a') ? 'yes' : 'no';
}

test('an offer that is not agreed to leaves what is staged as it is', async () => {
  const stage = await propose();
  expect(state()).toBeUndefined();
  stage.begin();
  await fill(stage);
  await stage.seal(stands);
  expect(state()).toBe('staged');

  (await propose())[Symbol.dispose]();

  expect(state()).toBe('staged');
});

test('what is filled now is neither released nor dropped nor filled a second time', async () => {
  await open({ stagedKeepMs: -1 });
  const stage = await propose();
  stage.begin();
  await fill(stage);

  await expect(act.act(from.id, { job, act: 'release' })).rejects.toMatchObject({ code: 'rate-limited' });
  const second = await propose();
  expect(() => second.begin()).toThrow(expect.objectContaining({ code: 'rate-limited' }));
  await upkeep.clean();
  expect(state()).toBe('receiving');

  await stage.seal(stands);
  expect(await act.act(from.id, { job, act: 'release' })).toMatchObject({
    word: { state: 'released', files: 1 },
  });
});

test('a file that came and is gone when all is sealed is missed', async () => {
  const stage = await propose();
  stage.begin();
  await rm(await fill(stage));
  await expect(stage.seal(stands)).rejects.toMatchObject({ code: 'refused' });
  expect(state()).toBe('receiving');
});

test('a stage has so many entries at most, and those that are gone do not count', async () => {
  await expect(propose(MAX_STAGED_ENTRIES + 1)).rejects.toMatchObject({ code: 'too-large' });
  const stage = await propose();
  stage.begin();
  await fill(stage);
  await stage.seal(stands);
  stage[Symbol.dispose]();
  member.database.exec(`UPDATE stages SET entries = 4000000 WHERE sender = '${from.id}'`);
  await expect(propose(1, 'another')).rejects.toMatchObject({ code: 'too-large' });
  member.database.exec(`UPDATE stages SET state = 'closed' WHERE sender = '${from.id}'`);
  await expect(propose(1, 'another')).resolves.toMatchObject({ mayLink: false });
});

test('the names of a staged job at the top are so long at most together', async () => {
  using stage = await propose();
  stage.begin();
  for (let n = 0; n <= MAX_STAGED_TOP_CHARS / 250; n++)
    mkdirSync(join(inbox, 'anna', stage.hidden, String(n).padStart(250, '0')), { recursive: true });

  await expect(stage.seal(() => 'yes')).rejects.toMatchObject({ code: 'too-large' });
});

test('what was there before is noted by its path below the folder, whatever characters that has', async () => {
  const stage = await propose();
  stage.begin();
  await fill(stage);
  await stage.seal(stands);
  const row = member.stages.find(from.id, job);
  if (row === undefined) throw new Error('it is staged');
  const folder = '/in \u{1F600}\u{1F600}/anna';
  member.database.exec(
    `INSERT INTO deliveries (path, sender, content, mtime_ns, job) VALUES ('${folder}/a', '${from.id}', 'x', '1', 'old')`,
  );
  const claims = { network: member.network, job, sender: from.id, time: 1, files: 1, bytes: 1, removed: 0 };

  const word = signStageWord({ ...claims, state: 'released' }, member.identity);
  member.stages.released(row, { folder, word, hook: undefined, now: 1 }, { had: [], missing: [] });

  const before = member.database.prepare("SELECT path FROM stage_files WHERE stage = ? AND side = 'before'");
  expect(before.all(row.id)).toEqual([{ path: 'a' }]);
});

test('of two senders that release into one folder the later one is rolled back first', async () => {
  const carol = { ...from, id: createKeyPair().id, name: 'carol' };
  await stageFolder(from, job, 'a');
  await stageFolder(carol, 'carols', 'c');
  await act.act(from.id, { job, act: 'release' });
  await act.act(carol.id, { job: 'carols', act: 'release' });
  const there = () => readdirSync(join(inbox, 'anna/build')).toSorted();
  expect(there()).toEqual(['a', 'c']);

  await expect(act.act(from.id, { job, act: 'rollback' })).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringMatching(/^(?!.*carols).*carol/s), // her name, and not her job
  });

  expect(there()).toEqual(['a', 'c']);
  await act.act(carol.id, { job: 'carols', act: 'rollback' });
  expect(there()).toEqual(['a']);
  await act.act(from.id, { job, act: 'rollback' });
  expect(existsSync(join(inbox, 'anna/build'))).toBe(false);
});

test('a clock that is set drops nothing before its time', async () => {
  await stageFolder(from, job, 'a');
  await open({ stagedKeepMs: 3_600_000 });
  await upkeep.clean();
  setClock(365 * 24 * 3_600_000); // it was a year late, and is right now

  await upkeep.clean();
  await upkeep.clean();

  expect(state()).toBe('staged');
  member.database.exec(`UPDATE stages SET changed_at = changed_at - 3601000 WHERE sender = '${from.id}'`);
  await upkeep.clean();
  expect(state()).toBe('dropped');
});
