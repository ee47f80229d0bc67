import { statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { NetworkHere } from '../../support/network-here.ts';
import { NEW, OLD, StagedHere } from './staged-here.ts';

let here: StagedHere;
beforeAll(async () => {
  here = await StagedHere.open([
    'edited',
    'folder',
    'moment',
    'saved',
    'moved',
    'reboot',
    'broken',
    'stop',
    'late-stop',
    'link',
    'bytes',
    'removed',
  ]);
});
afterAll(() => here[Symbol.asyncDispose]());

afterEach(() => void vi.unstubAllEnvs());

const ask = (job: string, act: 'release' | 'rollback') => ({ job, act, keep: 1 });

test('a rollback does not take away what somebody there has changed since the release', async () => {
  const { job, tops } = here.of('edited');
  const [x, y] = tops;
  const act = await here.switcher();
  await act.act(here.annaId, ask(job, 'release'));
  for (const top of tops) await writeFile(here.at(top, 'sub/b'), 'bob has edited it');

  await expect(act.act(here.annaId, ask(job, 'rollback'))).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringContaining(`"${x}/sub/b" and 1 more`),
  });

  for (const top of [x, y]) expect(await here.there(top)).toEqual({ ...NEW, 'sub/b': 'bob has edited it' });
  expect(here.stateOf(job)).toBe('released');
});

test('a rollback does not take away a folder or a file that somebody put where the job has the other', async () => {
  const { job, tops } = here.of('folder');
  const [x] = tops;
  const act = await here.switcher();
  await act.act(here.annaId, ask(job, 'release'));
  await rm(here.at(x, 'c'));
  await mkdir(here.at(x, 'c'));
  await writeFile(here.at(x, 'c/own'), 'bob');
  await expect(act.act(here.annaId, ask(job, 'rollback'))).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringContaining(`"${x}/c`),
  });
  expect(await here.there(x)).toMatchObject({ 'c/own': 'bob', 'sub/b': 'new' });

  await rm(here.at(x, 'c'), { recursive: true });
  await rm(here.at(x, 'sub'), { recursive: true });
  await writeFile(here.at(x, 'sub'), 'a file');
  await expect(act.act(here.annaId, ask(job, 'rollback'))).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringContaining(`"${x}/sub"`),
  });
  expect(await here.there(x)).toMatchObject({ sub: 'a file' });
});

test('what is changed at the very moment of a release or a rollback is not lost: all is switched back', async () => {
  const { job, tops } = here.of('moment');
  const [x, y] = tops;
  const editing = await here.switcher(async (at) => {
    if (at === 'noted') await writeFile(here.at(y, 'sub/b'), 'bob has edited it');
  });
  await expect(editing.act(here.annaId, ask(job, 'release'))).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringContaining(`"${y}/sub/b"`),
  });
  expect(await here.there(x)).toEqual(OLD);
  expect(await here.there(y)).toEqual({ ...OLD, 'sub/b': 'bob has edited it' });
  expect(here.stateOf(job)).toBe('staged');

  await rm(here.at(y, 'sub/b'));
  await (await here.switcher()).act(here.annaId, ask(job, 'release'));
  await expect(editing.act(here.annaId, ask(job, 'rollback'))).rejects.toMatchObject({ code: 'refused' });
  expect(await here.there(x)).toEqual(NEW);
  expect(await here.there(y)).toEqual({ ...NEW, 'sub/b': 'bob has edited it' });
});

test('a file of their own that a program saves anew at that moment is not lost', async () => {
  const { job, tops } = here.of('saved');
  const [x] = tops;
  await writeFile(here.at(x, 'own'), 'first');
  const saving = await here.switcher(async (at) => {
    if (at !== 'noted') return;
    await writeFile(here.at(x, 'own~'), 'second');
    await rename(here.at(x, 'own~'), here.at(x, 'own'));
  });

  await expect(saving.act(here.annaId, ask(job, 'release'))).rejects.toMatchObject({ code: 'refused' });

  expect(await here.there(x)).toEqual({ ...OLD, own: 'second' });
});

test('a switch of which it is not clear how far it came is not brought to its end, and nothing is touched', async () => {
  const { job, tops } = here.of('moved');
  const [x, y] = tops;
  const { act, stopped } = await here.killedAt('noted');
  void act.act(here.annaId, ask(job, 'release'));
  await stopped;
  const hidden = here.member.stages.find(here.annaId, job)?.hidden ?? '';
  await rename(here.at(hidden, y), here.at(hidden, 'elsewhere'));

  await (await here.switcher()).recover();

  expect(here.stateOf(job)).toBe('releasing');
  expect(await here.there(x)).toEqual(OLD);
  expect(await here.there(y)).toEqual(OLD);

  await rename(here.at(hidden, 'elsewhere'), here.at(hidden, y));
  await (await here.switcher()).recover();
  expect(here.stateOf(job)).toBe('staged');
  expect(await here.there(y)).toEqual(OLD);
});

test('the journal of a switch names no disk, whose number may change with a restart, and keeps what is asked', async () => {
  const { job } = here.of('reboot');
  const { act, stopped } = await here.killedAt('noted');
  void act.act(here.annaId, { ...ask(job, 'release'), keep: 3 });
  await stopped;
  const journal = here.member.stages.find(here.annaId, job)?.journal;
  expect(journal?.keep).toBe(3);
  const { ino } = statSync(here.at(here.of('reboot').tops[0]));
  expect(journal?.switches[0]?.before).toMatch(new RegExp(`^${ino}:`));
  await (await here.switcher()).recover();
  expect(here.stateOf(job)).toBe('staged');
});

test('an error of the disk in the middle is told in a sentence, and leaves all as it was', async () => {
  const { job, tops } = here.of('broken');
  let isOver = false;
  const failing = await here.switcher((at) => {
    if (at !== 'switched' || isOver) return;
    isOver = true;
    throw Object.assign(new Error('EIO: i/o error'), {
      code: 'EIO',
      errno: -5,
      syscall: 'rename',
      path: 'x',
    });
  });
  await expect(failing.act(here.annaId, ask(job, 'release'))).rejects.toMatchObject({
    code: 'home-not-writable',
  });
  expect(here.stateOf(job)).toBe('staged');
  for (const top of tops) expect(await here.there(top)).toEqual(OLD);
});

test('a stop waits for a switch that has begun, and none begins after it', async () => {
  const { job, tops } = here.of('stop');
  const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const act = await here.switcher((at) => {
    if (at !== 'switched one') return undefined;
    reached.resolve();
    return goOn.promise;
  });
  const work = act.act(here.annaId, ask(job, 'release'));
  await reached.promise;
  let isClosed = false;
  const closing = act.close().then(() => (isClosed = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isClosed).toBe(false);
  goOn.resolve();
  await closing;
  expect((await work).word.state).toBe('released');
  for (const top of tops) expect(await here.there(top)).toEqual(NEW);
  await expect(act.act(here.annaId, ask(job, 'rollback'))).rejects.toMatchObject({ code: 'terminated' });
});

test('a stop before the names change leaves them as they are', async () => {
  const { job, tops } = here.of('late-stop');
  const act = await here.switcher((at) => {
    if (at === 'prepared') void act.close();
  });
  await expect(act.act(here.annaId, ask(job, 'release'))).rejects.toMatchObject({ code: 'terminated' });
  expect(await here.there(tops[0])).toEqual(OLD);
  expect(here.stateOf(job)).toBe('staged');
});

test('a link in the way to what is switched is not followed', async () => {
  const { job } = here.of('link');
  const elsewhere = await mkdtemp(join(tmpdir(), 'filer-'));
  await rename(here.at(), join(here.inbox, 'moved'));
  await symlink(elsewhere, here.at());
  try {
    const act = await here.switcher();
    await expect(act.act(here.annaId, ask(job, 'release'))).rejects.toMatchObject({ code: 'refused' });
    const stage = here.member.stages.find(here.annaId, job);
    await mkdir(join(elsewhere, stage?.hidden ?? ''));
    await writeFile(join(elsewhere, stage?.hidden ?? '', 'kept'), 'kept');
    if (stage !== undefined) await (await here.upkeep()).drop(stage, 'dropped');
    expect(await readFile(join(elsewhere, stage?.hidden ?? '', 'kept'), 'utf8')).toBe('kept');
    expect(await readdir(elsewhere)).toHaveLength(1);
  } finally {
    await rm(here.at());
    await rename(join(here.inbox, 'moved'), here.at());
    await rm(elsewhere, { recursive: true });
  }
});

test('where no program can exchange two names nothing is staged', async () => {
  await using network = await NetworkHere.open();
  const [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
  const file = join(network.folder, 'file');
  await writeFile(file, 'one');
  vi.stubEnv('PATH', '/nowhere');

  const refused = await anna.run('send', file, '--to', 'bob', '--stage', '--json');

  expect(refused.stdout).toContain('"code":"unsupported"');
  const left = await readdir(bob.daemon.inbox, { recursive: true });
  expect(left.filter((name) => name.includes('stage.'))).toEqual([]);
});

test('a file there whose name is not UTF-8 cannot be carried along: the release is refused', async () => {
  const { job, tops } = here.of('bytes');
  const [x] = tops;
  const path = Buffer.concat([Buffer.from(`${here.at(x, 'caf')}`), Buffer.from([0xe9])]);
  await writeFile(path, 'bob');
  const act = await here.switcher();

  await expect(act.act(here.annaId, ask(job, 'release'))).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringContaining(`${x}/caf`),
  });

  expect(await readFile(path, 'utf8')).toBe('bob');
  expect(here.stateOf(job)).toBe('staged');
});

test('a rollback takes nothing away where what was there before is not kept any longer', async () => {
  const { job, tops } = here.of('removed');
  const act = await here.switcher();
  await act.act(here.annaId, ask(job, 'release'));
  const hidden = here.member.stages.find(here.annaId, job)?.hidden ?? '';
  await rm(here.at(hidden), { recursive: true });

  await expect(act.act(here.annaId, ask(job, 'rollback'))).rejects.toMatchObject({ code: 'refused' });

  for (const top of tops) expect(await here.there(top)).toEqual(NEW);
  expect(here.stateOf(job)).toBe('released');
});
