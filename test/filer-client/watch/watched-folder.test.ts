import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createLogger, resolveHome } from '@filer/program';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import { WatchedFolder } from '../../../apps/filer-client/src/watch/watched-folder.ts';
import { until } from '../../support/in-process.ts';
import { TestNetwork } from '../../support/test-network.ts';

/** A user whom permissions bind, when the tests run as root. */
const ORDINARY_USER = 12_345;
const isRoot = process.geteuid?.() === 0;

let network: TestNetwork;
let member: Member;
/** Holds the watched folder `w`, and what is moved into it. */
let base: string;
let folder: WatchedFolder;
/** Every path that was looked at and found to be sent. */
const found = new Set<string>();

beforeAll(async () => {
  network = await TestNetwork.open();
  await network.join('anna');
  member = await Member.open(resolveHome('filer-client', { FILER_HOME: network.home('anna') }));
  const unknown = member.watches.files.unknown.bind(member.watches.files);
  vi.spyOn(member.watches.files, 'unknown').mockImplementation((watch, files) => {
    for (const { path } of files) found.add(path);
    return unknown(watch, files);
  });
});
afterAll(async () => {
  member[Symbol.dispose]();
  await network.close();
});

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'filer-watched-'));
  found.clear();
});
afterEach(async () => {
  if (isRoot) process.seteuid?.(0);
  await folder.close();
  execFileSync('rm', ['-rf', base]);
});

/** Watches `w`: only events find anything once it was looked through for the first time. */
async function watchIt(): Promise<void> {
  const options = { to: ['@all'], settleMs: 100, rescanMs: 86_400_000 };
  const name = `w${member.watches.all().length}`;
  const path = join(base, 'w');
  const watch = member.watches.add({ name, folder: path, options: JSON.stringify(options), addedAt: 1 });
  const jobs = { keep: () => '', begin: () => undefined, retry: () => undefined };
  const log = await createLogger({ stream: { write: () => undefined } });
  folder = new WatchedFolder(watch, { member, jobs, log, inbox: join(base, 'inbox') });
  await writeFile(join(path, 'first'), 'x');
  await folder.start();
  await isFound('first');
}

async function isFound(path: string): Promise<void> {
  await until(
    () => Promise.resolve(found.has(path)),
    (has) => has,
  );
}

/** Makes files in a folder, one after the other: each must be found, and the last can only be found by its event. */
async function comeInto(path: string): Promise<void> {
  for (const name of ['one', 'two', 'three']) {
    await writeFile(join(base, 'w', path, name), 'x');
    await isFound(`${path}/${name}`);
  }
}

/** The reason that the watch gives; that no other machine is in this network is not meant. */
function reason(): string {
  return folder.reason?.replace(/there is no other machine in this network yet(; )?/, '') ?? '';
}

async function saysReason(wanted: RegExp): Promise<void> {
  await until(
    () => Promise.resolve(reason()),
    (said) => wanted.test(said),
  );
}

const at = (...path: string[]): string => join(base, ...path);

test.each<[string, string, () => Promise<void>]>([
  [
    'removed and made again',
    's',
    async () => {
      await rm(at('w', 's'), { recursive: true });
      await mkdir(at('w', 's'));
    },
  ],
  [
    'removed and made again, over and over',
    's',
    async () => {
      for (let n = 0; n < 100; n++) {
        await rm(at('w', 's'), { recursive: true });
        await mkdir(at('w', 's', 'deep'), { recursive: true });
      }
    },
  ],
  [
    'removed and made again with a folder in it',
    's/deep',
    async () => {
      await rm(at('w', 's'), { recursive: true });
      await mkdir(at('w', 's', 'deep'), { recursive: true });
    },
  ],
  [
    'renamed and made again',
    's/deep',
    async () => {
      await rename(at('w', 's'), at('w', 't'));
      await mkdir(at('w', 's', 'deep'), { recursive: true });
    },
  ],
  ['renamed', 't/deep', () => rename(at('w', 's'), at('w', 't'))],
  [
    'renamed and renamed back',
    's/deep',
    async () => {
      await rename(at('w', 's'), at('w', 't'));
      await rename(at('w', 't'), at('w', 's'));
    },
  ],
  [
    'replaced by another folder of the watched one',
    's/other',
    async () => {
      await mkdir(at('w', 'n', 'other'), { recursive: true });
      await rename(at('w', 's'), at('old'));
      await rename(at('w', 'n'), at('w', 's'));
    },
  ],
  [
    'moved in from elsewhere',
    'new/deep/er',
    async () => {
      await mkdir(at('new', 'deep', 'er'), { recursive: true });
      await rename(at('new'), at('w', 'new'));
    },
  ],
  [
    'a file for a moment',
    's',
    async () => {
      await rm(at('w', 's'), { recursive: true });
      await writeFile(at('w', 's'), 'now a file');
      await unlink(at('w', 's'));
      await mkdir(at('w', 's'));
    },
  ],
])('what comes into a folder that was %s is told by the system as before', async (_, into, change) => {
  await mkdir(at('w', 's', 'deep'), { recursive: true });
  await watchIt();
  await writeFile(at('w', 's', 'deep', 'before'), 'x');
  await isFound('s/deep/before');

  await change();
  await comeInto(into);
  expect(reason()).toBe('');
});

test.each<[string, () => Promise<void>]>([
  [
    'is removed and made again',
    async () => {
      await rm(at('w'), { recursive: true });
      await mkdir(at('w', 's'), { recursive: true });
    },
  ],
  [
    'is a link to another folder now',
    async () => {
      await rename(at('w'), at('old'));
      await mkdir(at('new', 's'), { recursive: true });
      await symlink('new', at('w'));
    },
  ],
  [
    'is a file for a while',
    async () => {
      await rename(at('w'), at('old'));
      await writeFile(at('w'), 'x');
      await saysReason(/is no folder/);
      expect(folder.state).toBe('folder-missing');
      await unlink(at('w'));
      await rename(at('old'), at('w'));
    },
  ],
])('a watched folder that %s is watched as it is then', async (_, change) => {
  await mkdir(at('w', 's'), { recursive: true });
  await watchIt();

  await change();
  await comeInto('s');
  expect(reason()).toBe('');
});

test('a watched link is followed to where it leads by now', async () => {
  await mkdir(at('a', 's'), { recursive: true });
  await mkdir(at('b', 's'), { recursive: true });
  await symlink('a', at('w'));
  await watchIt();

  await symlink('b', at('w.new'));
  await rename(at('w.new'), at('w'));
  await comeInto('s');
  expect(reason()).toBe('');
});

/** Everything is done as a user whom permissions bind. */
async function asOrdinaryUser(): Promise<void> {
  if (!isRoot) return;
  execFileSync('chown', ['-R', String(ORDINARY_USER), base, network.home('anna')]);
  await chown(network.folder, ORDINARY_USER, 0);
  process.seteuid?.(ORDINARY_USER);
}

test('a folder that cannot be read is named with the reason for as long as that is so, and then watched', async () => {
  await mkdir(at('w', 'open'), { recursive: true });
  await asOrdinaryUser();
  await watchIt();
  await mkdir(at('w', 'locked'), { mode: 0o000 });
  await saysReason(/\/w\/locked\/?" cannot be looked into \(EACCES\)/);
  expect(folder.state).toBe('failing');
  await chmod(at('w', 'open'), 0o000);
  await comeIntoRoot('other');

  await chmod(at('w', 'locked'), 0o755);
  await chmod(at('w', 'open'), 0o755);
  await comeInto('locked');
  await comeInto('open');
  expect(reason()).toBe('');
});

async function comeIntoRoot(name: string): Promise<void> {
  await writeFile(at('w', name), 'x');
  await isFound(name);
}

test('a watched folder that cannot be read is told, and watched as soon as it can be', async () => {
  await mkdir(at('w', 's'), { recursive: true });
  await asOrdinaryUser();
  await watchIt();
  await chmod(at('w'), 0o000);
  await saysReason(/\/w" cannot be looked into \(EACCES\)/);
  expect(folder.state).toBe('failing');

  await chmod(at('w'), 0o755);
  await comeInto('s');
  expect(reason()).toBe('');
});

test('a problem of something that is gone, ignored, or replaced is no longer a problem', async () => {
  await mkdir(at('w', 's'), { recursive: true });
  await watchIt();
  for (const end of [
    () => unlink(at('w', 's', 'link')),
    () => rm(at('w', 's'), { recursive: true }),
    () => rename(at('w', 's'), at('elsewhere')),
    () => writeFile(at('w', '.filerignore'), 'link\n'),
  ]) {
    await mkdir(at('w', 's'), { recursive: true });
    await symlink('/etc/hostname', at('w', 's', 'link'));
    await saysReason(/the link .*link" .* points outside/);
    expect(folder.state).toBe('failing');
    await end();
    await saysReason(/^$/);
  }
});

test('paths that the system finds too long are named, and everything else is found', async () => {
  await mkdir(at('w'));
  await watchIt();
  const make = `for (let n = 0; n < 21; n++) { fs.mkdirSync(name); process.chdir(name); fs.writeFileSync('f', 'x'); }`;
  const deep = 'L'.repeat(200);
  execFileSync(process.execPath, ['-e', `const name = '${deep}'; ${make}`], { cwd: at('w') });
  await saysReason(/L…L.*ENAMETOOLONG/);
  expect(folder.state).toBe('failing');
  await comeIntoRoot('other');

  execFileSync('rm', ['-rf', at('w', deep)]);
  await saysReason(/^$/);
  await comeIntoRoot('another');
});
