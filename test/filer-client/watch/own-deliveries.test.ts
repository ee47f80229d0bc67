import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createLogger, type Logger } from '@filer/program';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { WatchStore, type Watch } from '../../../apps/filer-client/src/store/watch-store.ts';
import { FolderProblems } from '../../../apps/filer-client/src/watch/folder-problems.ts';
import type { Found } from '../../../apps/filer-client/src/watch/look.ts';
import { OwnDeliveries } from '../../../apps/filer-client/src/watch/own-deliveries.ts';

let store: WatchStore;
let watch: Watch;
let log: Logger;

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-own-'));
  const database = openDatabase(join(folder, 'filer.db'));
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
  log = await createLogger({ stream: { write: () => undefined } });
  store = new WatchStore(database);
  watch = store.add({ name: 'nas', folder: '/disk', options: '{}', addedAt: 1 });
});

function open(): { own: OwnDeliveries; problems: FolderProblems } {
  const problems = new FolderProblems(log, 'nas');
  return { own: new OwnDeliveries(watch, store, problems), problems };
}

/** A file: its version is `INODE:SIZE:MTIME:CTIME`, and a copy has an inode and ctime of its own. */
function file(path: string, inode: number, time = 1_000_000_000_000): Found {
  const version = `${inode}:5:${time}:${inode}`;
  return { path, kind: 'file', version, state: version, size: 5, inode: `1:${inode}`, id: `1:${inode}` };
}

function folder(path: string): Found {
  return { ...file(path, 9), kind: 'folder', version: 'folder:493' };
}

/** Paths that are left. */
function left(own: OwnDeliveries, ...found: Found[]): string[] {
  return own.without(found, 'anna').map(({ path }) => path);
}

test('the copy of a file that was shipped is left out with its folder, which is named', () => {
  store.files.note(watch.id, [file('sub/a', 1)], []);
  const { own, problems } = open();

  expect(left(own, file('sub/a', 1), file('inbox/anna/nas/sub/a', 2))).toEqual(['sub/a']);
  expect(left(own, file('inbox/anna/nas/a (1)', 3), folder('inbox/anna/nas/sub'))).toEqual([]);
  expect(left(own, folder('inbox/anna'), file('inbox/anna/b', 4))).toEqual(['inbox/anna', 'inbox/anna/b']);
  expect(problems.reason).toContain('"/disk/inbox/anna/nas"');
});

test('a copy is recognised below whatever folder a recipient has named', () => {
  store.files.note(watch.id, [file('a', 1)], []);
  store.notePlace(watch.id, 'in/2026-01-31/nas');

  expect(left(open().own, file('bob/in/2026-01-31/nas/a', 2), file('bob/in/2026-01-30/nas/a', 2))).toEqual([
    'bob/in/2026-01-30/nas/a',
  ]);
});

test('a folder that has the path of a copy and files of its own is shipped', () => {
  store.files.note(watch.id, [file('a', 1), folder('sub')], []);
  const found = [
    file('anna/nas/b', 2),
    file('anna/nas/a', 3, 2_000_000_000_000),
    folder('anna/nas/sub'),
    file('anna/nas', 4),
    file('joanna/nas/a', 5),
  ];

  expect(left(open().own, ...found)).toEqual(found.map(({ path }) => path));
});

test('folders alone go round once', () => {
  const found = [folder('anna/nas/sub'), folder('anna/nas/anna/nas'), folder('anna/nas/anna/nas/sub')];

  expect(left(open().own, ...found)).toEqual(['anna/nas/sub']);
});

test('where files are put away once delivered, copies of those are left out', () => {
  store.files.note(watch.id, [file('a', 1)], ['peer']);
  store.files.wasPutAway(watch.id, file('a', 1));
  store.notePlace(watch.id, 'in/nas');

  expect(left(open().own, file('bob/in/nas/a', 2), file('anna/nas/a', 3))).toEqual([]);
  expect(left(open().own, file('a', 4))).toEqual(['a']);
  store.remove(watch.id);
  expect(store.files.shippedVersions(watch.id, 'a')).toEqual([]);
});

test.each([false, true])('no word of a recipient makes files of the user a copy', (isPutAway) => {
  store.files.note(watch.id, [file('a', 1)], []);
  if (isPutAway) store.files.wasPutAway(watch.id, file('a', 1));
  for (const place of ['work/nas', 'nas/nas', 'work']) store.notePlace(watch.id, place);
  const found = [
    folder('work'),
    folder('work/nas'),
    file('work/nas/b', 2),
    file('work/nas/a', 3, 2_000_000_000_000),
    file('nas/nas/c', 4),
  ];

  expect(left(open().own, ...found)).toEqual(found.map(({ path }) => path));
});

test('the newest hundred folders of recipients are remembered', () => {
  for (let n = 0; n < 150; n++) store.notePlace(watch.id, `${n}/nas`);
  store.notePlace(watch.id, '149/nas');

  const places = store.places(watch.id);
  expect(places.length).toBe(100);
  expect(places).toContain('50/nas');
  expect(places).not.toContain('49/nas');
  store.remove(watch.id);
  expect(store.places(watch.id)).toEqual([]);
});
