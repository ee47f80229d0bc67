import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatStage, MAX_RELEASES_KEPT, MAX_STAGE_ACTS_PER_PEER, type Header } from '@filer/protocol';
import { Folder } from '@filer/transfer';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Reader } from './reader.ts';
import { NEW, OLD, StagedHere } from './staged-here.ts';

let here: StagedHere;
beforeAll(async () => {
  here = await StagedHere.open(
    ['part', 'empty', 'synced', 'busy', 'other', 'read'],
    ['linked', 'linked-later', 'replaced'],
  );
});
afterAll(() => here[Symbol.asyncDispose]());

const ask = (job: string, act: 'release' | 'rollback' | 'ask') => ({ job, act, keep: 1 });

test('a rollback is refused where a part of what was there before is gone, and nothing that was gone before counts', async () => {
  const { job, tops } = here.of('part');
  const [x, y] = tops;
  await rm(here.at(y, 'gone')); // before the release
  const act = await here.switcher();
  await act.act(here.annaId, ask(job, 'release'));
  const hidden = here.member.stages.find(here.annaId, job)?.hidden ?? '';
  await rename(here.at(hidden, x, 'sub'), here.at(hidden, 'elsewhere'));

  await expect(act.act(here.annaId, ask(job, 'rollback'))).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringContaining(`"${x}/sub`),
  });

  for (const top of tops) expect(await here.there(top)).toEqual(NEW);
  expect(here.stateOf(job)).toBe('released');
  await rename(here.at(hidden, 'elsewhere'), here.at(hidden, x, 'sub'));
  await act.act(here.annaId, ask(job, 'rollback'));
  expect(await here.there(x)).toEqual(OLD);
  expect(await here.there(y)).toEqual({ a: OLD.a, 'sub/b': OLD['sub/b'] });
});

test('a folder that somebody there had made, and that is kept no longer, is not taken away by a rollback', async () => {
  const { job, tops } = here.of('empty');
  const [x] = tops;
  await rm(here.at(x), { recursive: true });
  await mkdir(here.at(x)); // not what anna delivered
  const act = await here.switcher();
  await act.act(here.annaId, ask(job, 'release'));
  const hidden = here.member.stages.find(here.annaId, job)?.hidden ?? '';
  await rm(here.at(hidden, x), { recursive: true });

  await expect(act.act(here.annaId, ask(job, 'rollback'))).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringContaining(`"${x}"`),
  });

  expect(await here.there(x)).toEqual(NEW);
});

test('a folder above the names that becomes a link at that moment leaves the job as it was', async () => {
  const { job, tops } = here.of('linked');
  const linking = await here.switcher(async (at) => {
    if (at !== 'noted') return;
    await rename(here.at('deep'), here.at('moved'));
    await symlink('moved', here.at('deep'));
  });

  await expect(linking.act(here.annaId, ask(job, 'release'))).rejects.toMatchObject({ code: 'refused' });

  expect(here.stateOf(job)).toBe('staged');
  await rm(here.at('deep'));
  await rename(here.at('moved'), here.at('deep'));
  for (const top of tops) expect(await here.there(top)).toEqual(OLD);
});

test('a switch that was cut off, and cannot be completed, is completed when its sender asks again', async () => {
  const { job, tops } = here.of('linked-later');
  const { act, stopped } = await here.killedAt('switched one');
  void act.act(here.annaId, ask(job, 'release'));
  await stopped;
  await rename(here.at('deep'), here.at('moved'));
  await symlink('moved', here.at('deep'));

  const next = await here.switcher();
  await next.recover();
  expect(here.stateOf(job)).toBe('releasing');
  await expect(next.act(here.annaId, ask(job, 'rollback'))).rejects.toMatchObject({ code: 'refused' });

  await rm(here.at('deep'));
  await rename(here.at('moved'), here.at('deep'));
  expect(await next.act(here.annaId, ask(job, 'release'))).toMatchObject({ word: { state: 'released' } });
  for (const top of tops) expect(await here.there(top)).toEqual(NEW);
});

test('of a job whose folder was replaced while it was switched nothing is in the way of the next one', async () => {
  const { job, tops } = here.of('replaced');
  const { act, stopped } = await here.killedAt('switched');
  void act.act(here.annaId, ask(job, 'release'));
  await stopped;
  await rename(here.at(), join(here.inbox, 'moved'));
  await mkdir(here.at());
  try {
    const next = await here.switcher();
    await next.recover();
    expect(here.stateOf(job)).toBe('releasing');
    await expect(next.act(here.annaId, ask(job, 'release'))).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('anna/.filer-part-stage.'),
    });
    expect(await readdir(here.at())).toEqual([]);
  } finally {
    await rm(here.at(), { recursive: true });
    await rename(join(here.inbox, 'moved'), here.at());
  }
  expect(await (await here.switcher()).act(here.annaId, ask(job, 'ask'))).toMatchObject({
    word: { state: 'staged' },
  });
  await (await here.switcher()).act(here.annaId, ask(job, 'release'));
  for (const top of tops) expect(await here.there(top)).toEqual(NEW);
});

test('what is carried into the new version is on the disk before the names change, however deep it is', async () => {
  const { job, tops } = here.of('synced');
  const [x] = tops;
  await mkdir(here.at(x, 'sub/own/deep'), { recursive: true });
  await writeFile(here.at(x, 'sub/own/deep/file'), 'bob');
  const synced: string[] = [];
  const sync = vi.spyOn(Folder.prototype, 'sync').mockImplementation(function (this: Folder) {
    synced.push(this.path);
    return Promise.resolve();
  });
  try {
    const act = await here.switcher((at) => {
      if (at === 'prepared') synced.push('prepared');
    });
    await act.act(here.annaId, ask(job, 'release'));
  } finally {
    sync.mockRestore();
  }

  const before = synced.slice(0, synced.indexOf('prepared'));
  for (const folder of ['sub', 'sub/own', 'sub/own/deep'])
    expect(before).toContainEqual(expect.stringMatching(new RegExp(`stage\\.[^/]*/${x}/${folder}$`)));
  expect(await here.there(x)).toEqual({ ...NEW, 'sub/own/deep/file': 'bob' });
});

test('a release holds up nothing else that its sender says, and so many questions wait at most', async () => {
  const { job } = here.of('busy');
  const { act, stopped } = await here.killedAt('begun');
  const said: Header[] = [];
  const told = Promise.withResolvers<void>();
  const session = {
    notify: (header: Header) => {
      said.push(header);
      told.resolve();
      return Promise.resolve();
    },
  };
  const message = (id: string, about: string, what: 'ask' | 'release') => ({
    header: { ...formatStage({ job: about, act: what }).header, id },
    content: Buffer.alloc(0),
  });
  act.answer(message('1', job, 'release'), session, here.annaId);
  await stopped;

  act.answer(message('2', here.of('other').job, 'ask'), session, here.annaId);

  await told.promise;
  await new Promise((resolve) => setImmediate(resolve)); // its turn is given back
  expect(said).toMatchObject([{ re: '2', type: 'stage-state' }]);
  for (let n = 1; n < MAX_STAGE_ACTS_PER_PEER; n++)
    act.answer(message('3', job, 'ask'), session, here.annaId);
  expect(() => act.answer(message('4', job, 'ask'), session, here.annaId)).toThrow(
    expect.objectContaining({ code: 'rate-limited' }),
  );
});

test('who reads what has the name while it is released and rolled back finds one version whole, and never none', async () => {
  const { job, tops } = here.of('read');
  const act = await here.switcher();
  await using reader = new Reader(here.at(tops[0]), [OLD, NEW]);
  for (let round = 0; round < 3; round++) {
    await reader.finds(0);
    await act.act(here.annaId, ask(job, 'release'));
    await reader.finds(1);
    await act.act(here.annaId, ask(job, 'rollback'));
  }
  await reader.finds(0);

  expect(Object.keys(reader.readings.counts).toSorted()).toEqual(['0', '1']);
});

test.each<[string, Record<string, string>]>([
  ['no job', { act: 'release' }],
  ['a job that is a path', { job: '../../x', act: 'release' }],
  ['no act', { job: 'job' }],
  ['an act that is none', { job: 'job', act: 'destroy' }],
  ['an act of the prototype', { job: 'job', act: 'constructor' }],
  ['nothing to be kept', { job: 'job', act: 'release', keep: '0' }],
  ['too much to be kept', { job: 'job', act: 'release', keep: String(MAX_RELEASES_KEPT + 1) }],
  ['a number that is none', { job: 'job', act: 'release', keep: '1e1' }],
  ['a page before the first', { job: 'job', act: 'ask', from: '-1' }],
])('a message with %s is refused at once, and counts as nothing that waits', async (_, header) => {
  const act = await here.switcher();
  const said: Header[] = [];
  const session = { notify: (told: Header) => Promise.resolve(void said.push(told)) };
  const message = { header: { type: 'stage', id: '1', ...header }, content: Buffer.alloc(0) };
  for (let n = 0; n <= MAX_STAGE_ACTS_PER_PEER; n++)
    expect(() => act.answer(message, session, here.annaId)).toThrow(
      expect.objectContaining({ code: 'message-malformed' }),
    );
  expect(said).toEqual([]);
});

test('a page of removals from beyond the last one is empty, and one who sent nothing learns nothing', async () => {
  const act = await here.switcher();
  const { job } = here.of('other');
  const far = { job, act: 'ask', from: Number.MAX_SAFE_INTEGER } as const;
  expect(await act.act(here.annaId, far)).toMatchObject({ removed: null });
  await expect(act.act('B'.repeat(52), { job, act: 'ask' })).rejects.toMatchObject({ code: 'no-such-job' });
});
