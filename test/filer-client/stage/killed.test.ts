import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, resolveHome } from '@filer/program';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import { StageSwitch, type SwitchStep } from '../../../apps/filer-client/src/receive/stage-switch.ts';
import { Stages, type StageSettings } from '../../../apps/filer-client/src/receive/stages.ts';
import { NetworkHere } from '../../support/network-here.ts';
import { filesBelow } from '../../support/test-network.ts';

const STEPS: readonly SwitchStep[] = [
  'begun',
  'prepared',
  'noted',
  'switched one',
  'switched',
  'kept',
  'done',
];

const OLD = { a: 'one', 'sub/b': 'old', gone: 'gone soon' };
const NEW = { a: 'one', 'sub/b': 'new', c: 'added' };

const SETTINGS: StageSettings = {
  accept: 'members',
  allowRelease: true,
  allowMirror: true,
  stagedKeepMs: 1e9,
  stagedLinks: false,
  sync: true,
  onReceived: undefined,
};

const silent = () => createLogger({ stream: { write: () => undefined } });

let network: NetworkHere;
let member: Member;
let annaId: string;
let job: string;
let inbox: string;
beforeAll(async () => {
  network = await NetworkHere.open();
  const [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
  annaId = anna.daemon.id;
  inbox = bob.daemon.inbox;
  const folders = ['x', 'y'].map((top) => join(network.folder, top));
  const send = async (files: Readonly<Record<string, string>>, ...more: string[]): Promise<string> => {
    for (const folder of folders) {
      await mkdir(join(folder, 'sub'), { recursive: true });
      for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text);
    }
    return String((await anna.ask('send', ...folders, '--to', 'bob', ...more))['job']);
  };
  await send(OLD);
  for (const folder of folders) await rm(join(folder, 'gone'));
  job = await send(NEW, '--stage', '--mirror');
  await bob[Symbol.asyncDispose]();
  member = await Member.open(resolveHome('filer-client', { FILER_HOME: bob.home }));
});
afterAll(async () => {
  member[Symbol.dispose]();
  await network[Symbol.asyncDispose]();
});

async function there(top: string): Promise<Record<string, string>> {
  const folder = join(inbox, 'anna', top);
  const paths = await filesBelow(folder);
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, await readFile(join(folder, path), 'utf8')] as const)),
  );
}

/** What would release at bob. @param stopsAt the step at which it stands still, as one that was killed there */
async function switcher(
  stopsAt?: SwitchStep,
  changed: Partial<StageSettings> = {},
): Promise<{ act: StageSwitch; stopped: Promise<void> }> {
  const options = { member, inbox, settings: { ...SETTINGS, ...changed }, log: await silent() };
  const stopped = Promise.withResolvers<void>();
  const step = (at: SwitchStep): Promise<void> | undefined => {
    if (at !== stopsAt) return undefined;
    stopped.resolve();
    return new Promise(() => undefined);
  };
  const stages = new Stages(options);
  const act = new StageSwitch({ ...options, stages, onHook: () => undefined, step });
  return { act, stopped: stopped.promise };
}

function expectWhole(found: Record<string, string>): 'old' | 'new' {
  const which = 'gone' in found ? 'old' : 'new';
  expect(found).toEqual(which === 'old' ? OLD : NEW);
  return which;
}

test.each(['release', 'rollback'] as const)(
  'a receiver that is killed at any step of a %s has the old or the new version whole, and comes to one of them at its next start',
  async (what) => {
    const before = what === 'release' ? 'rollback' : 'release';
    const [from, to] = what === 'release' ? (['old', 'new'] as const) : (['new', 'old'] as const);
    for (const stopsAt of STEPS) {
      if (what === 'rollback' || member.stages.find(annaId, job)?.state === 'released')
        await (await switcher()).act.act(annaId, { job, act: before });
      for (const top of ['x', 'y']) expect(expectWhole(await there(top))).toBe(from);
      const { act, stopped } = await switcher(stopsAt);
      void act.act(annaId, { job, act: what });
      await stopped;
      for (const top of ['x', 'y']) expectWhole(await there(top));

      const next = (await switcher()).act;
      await next.recover();

      const isBegun = STEPS.indexOf(stopsAt) >= STEPS.indexOf('noted');
      const state = member.stages.find(annaId, job)?.state;
      for (const top of ['x', 'y']) expect(expectWhole(await there(top))).toBe(isBegun ? to : from);
      expect(['released', 'rolled-back', 'staged']).toContain(state);
      const answer = await next.act(annaId, { job, act: what });
      expect(answer.word.state).toBe(what === 'release' ? 'released' : 'rolled-back');
      for (const top of ['x', 'y']) expect(expectWhole(await there(top))).toBe(to);
    }
  },
);

test('a job is released and rolled back by the machine that sent it, and by no other', async () => {
  const { act } = await switcher();
  const other = 'A'.repeat(52);
  for (const what of ['release', 'rollback', 'ask'] as const)
    await expect(act.act(other, { job, act: what })).rejects.toMatchObject({ code: 'no-such-job' });
});

test('a receiver that forbids it releases nothing, and one that forbids removals nothing that removes', async () => {
  if (member.stages.find(annaId, job)?.state === 'released')
    await (await switcher()).act.act(annaId, { job, act: 'rollback' });
  for (const settings of [{ allowRelease: false }, { allowMirror: false }, { accept: 'none' }] as const) {
    const { act } = await switcher(undefined, settings);
    await expect(act.act(annaId, { job, act: 'release' })).rejects.toMatchObject({
      code: 'accept' in settings ? 'declined' : 'refused',
    });
  }
  expect(member.stages.find(annaId, job)?.state).not.toBe('released');
  expect(await there('x')).toEqual(OLD);
});

test('what was not released is dropped after staged-keep, and then cannot be', async () => {
  const stage = member.stages.find(annaId, job);
  const stages = new Stages({
    member,
    inbox,
    settings: { ...SETTINGS, stagedKeepMs: -1 },
    log: await silent(),
  });

  await stages.clean();

  expect(member.stages.find(annaId, job)?.state).toBe('dropped');
  expect((await filesBelow(join(inbox, 'anna'))).some((path) => path.includes(stage?.hidden ?? '?'))).toBe(
    false,
  );
  const { act } = await switcher();
  await expect(act.act(annaId, { job, act: 'release' })).rejects.toMatchObject({ code: 'no-such-job' });
});
