import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkDescriptors, checkDisk, checkIdentity, checkInotify } from '@filer/program';
import { createIdentity, createSecretFile } from '@filer/protocol';
import { expect, test } from 'vitest';
import { Redactor } from '../../packages/program/src/doctor/redactor.ts';
import { freshFolder } from '../support/ip-server.ts';

/** A `/proc` that says so. */
async function procWith(files: Readonly<Record<string, string>>): Promise<string> {
  const proc = await freshFolder();
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(proc, name, '..'), { recursive: true });
    await writeFile(join(proc, name), text);
  }
  return proc;
}

const inotify = (watches: number, instances: number) =>
  procWith({
    'sys/fs/inotify/max_user_watches': `${watches}\n`,
    'sys/fs/inotify/max_user_instances': `${instances}\n`,
  });

test('a system that watches few folders fails where folders are watched, and is worth a look where none is', async () => {
  const few = await inotify(100, 128);

  expect(checkInotify(1, { proc: few })).toMatchObject({
    state: 'failed',
    remedy: expect.stringContaining('fs.inotify.max_user_watches='),
  });
  expect(checkInotify(0, { proc: few })).toMatchObject({ state: 'warning' });
  expect(checkInotify(1, { proc: await inotify(8_192, 15) })).toMatchObject({
    remedy: expect.stringContaining('fs.inotify.max_user_instances='),
  });
  expect(checkInotify(1, { proc: await inotify(8_192, 16) })).toMatchObject({ state: 'ok' });
  expect(checkInotify(1, { proc: await freshFolder() })).toMatchObject({ state: 'skipped' });
});

test('too few descriptors fail, and what a system does not say is passed over', async () => {
  const proc = await procWith({
    'self/limits': 'Max open files            256                  4096     files\n',
  });

  expect(checkDescriptors(257, { proc })).toMatchObject({
    state: 'failed',
    facts: { limit: 256, hardLimit: '4096' },
    remedy: expect.stringContaining('LimitNOFILE='),
  });
  expect(checkDescriptors(256, { proc })).toMatchObject({ state: 'ok' });
  expect(checkDescriptors(256, { proc: await freshFolder() })).toMatchObject({ state: 'skipped' });
});

test('a look at a disk leaves nothing behind, and says what it has', async () => {
  const folder = await freshFolder();
  const parts = { check: 'home', folder, keepFreeBytes: 1, remedy: 'do something' };
  const disk = await checkDisk(parts);

  expect(disk).toMatchObject({ state: expect.stringMatching(/ok|warning/), facts: { folder } });
  expect(disk.facts['syncBytesPerSecond']).toBeGreaterThan(0);
  expect(await readdir(folder)).toEqual([]);
  expect(await checkDisk({ ...parts, keepFreeBytes: 2 ** 53 })).toMatchObject({ state: 'failed' });
  const missing = join(folder, 'a/b');
  expect(await checkDisk({ ...parts, folder: missing })).toMatchObject({
    state: 'failed',
    remedy: 'do something',
    facts: { code: 'ENOENT' },
  });
  expect(await checkDisk({ ...parts, folder: missing, isMadeLater: true })).toMatchObject({
    facts: { folder },
  });
});

test('a key that others can read, another one, and none at all are told apart', async () => {
  const folder = await freshFolder();
  const { id, keyPem, certPem } = await createIdentity();
  expect(await checkIdentity(folder, id)).toMatchObject({ state: 'failed' });
  await createSecretFile(join(folder, 'key.pem'), keyPem);
  await createSecretFile(join(folder, 'cert.pem'), certPem);

  expect(await checkIdentity(folder, id)).toMatchObject({ state: 'ok', facts: { id } });
  expect(await checkIdentity(folder, 'ANOTHER')).toMatchObject({ state: 'failed' });
  await chmod(join(folder, 'key.pem'), 0o644);
  expect(await checkIdentity(folder, id)).toMatchObject({
    state: 'warning',
    remedy: expect.stringContaining('chmod 600'),
  });
});

const ID = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST';

test.each([
  ['-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----', '[secret]'],
  ['-----BEGIN PRIVATE KEY-----\nabc', '[secret]'],
  ['join filer://192.0.2.7:10901/abc now', 'join [invite] now'],
  ['postgres://filer:hunter2@db.example:5432/x', 'postgres://[secret]@host-1:5432/[path]'],
  ['postgres://filer:hunt/er@2@db/x?sslpassword=y', 'postgres://[secret]@host-1/[path]'],
  ['"https://T0KEN@nas"', '"https://[secret]@host-1"'],
  ['to https://hooks.example/services/T0/B0/x1: refused', 'to https://host-1/[path]: refused'],
  [
    'https://192.0.2.7?token=x, https://[2001:db8::1]:8/#x',
    'https://address-1/[path], https://[address-2]:8/[path]',
  ],
  ['the dashboard listens at http://127.0.0.1:10980', 'the dashboard listens at http://127.0.0.1:10980'],
  ['nas:10901 and localhost:10901', 'host-1:10901 and localhost:10901'],
  ['getaddrinfo ENOTFOUND db.corp.example', 'getaddrinfo ENOTFOUND host-1'],
  ['cannot read /srv/acme/keys/key.pem: EACCES', 'cannot read path-1: EACCES'],
  ["open '/srv/acme plans/x y'", "open 'path-1'"],
  ['`ls -ld /srv/acme`, and/or 4/5', '`ls -ld path-1`, and/or 4/5'],
  [`Bearer ${'aB3_-'.repeat(9)}`, 'Bearer [secret]'],
  [`${ID} is ${ID.slice(0, 12)}…`, 'id-1 is id-1'],
  ['at 192.0.2.7:10902 and [2001:db8::1]:10902', 'at address-1:10902 and [address-2]:10902'],
  ['at 127.0.0.1:10902 and [::1]:10902', 'at 127.0.0.1:10902 and [::1]:10902'],
  ['::ffff:192.0.2.7, [::ffff:c000:207]', 'address-1, [address-2]'],
  ['from 192.0.2.7.', 'from address-1.'],
  ['fe80::1 and 2001:db8:1:2:3:4:5:6', 'address-1 and address-2'],
  ['node v26.9.0 at 12:30:45', 'node v26.9.0 at 12:30:45'],
  ['cam-3 sees cam-30, and cam-3.', 'machine-1 sees cam-30, and machine-1.'],
  ['/home/u/x: /home/u', 'folder-1/[path]: folder-1'],
  // Where a path without quotes ends is not seen.
  ['cannot read /srv/acme plans/offer to Bo.pdf: EACCES', 'cannot read path-1: EACCES'],
  ['/home/u/My Files/a b.txt, and /srv/x', 'folder-1/[path], and path-1'],
  ['/home/u/my taxes 2026.pdf.', 'folder-1/[path].'],
  ['"offer to Bo.pdf" and "plan" are not there', '"name-1" and "plan" are not there'],
  ['"the plan" of "Bo.pdf", http-port = "off"', '"name-1" of "name-2", http-port = "off"'],
  ['"/srv/acme plans/Bo.pdf"', '"path-1"'],
  ['/proc/sys/fs/inotify is read, /home/u', '/proc/sys/fs/inotify is read, folder-1'],
  ['/proc/locks or /srv/acme plans', '/proc/locks or path-1'],
  ['1 / 2 of them', '1 / 2 of them'],
  ['@lab.a', '@group-1'],
])('%j is written as %j', (text, expected) => {
  const redactor = new Redactor([
    { as: 'machine', texts: ['cam-3'] },
    { as: 'folder', texts: ['/home/u'] },
    { as: 'group', texts: ['lab.a'] },
  ]);

  expect(redactor.text(text)).toBe(expected);
});

test('the same name is the same word throughout, and keys of JSON stay', () => {
  const redactor = new Redactor([{ as: 'machine', texts: ['anna', 'bob', 'anna-2'] }]);

  expect(redactor.value({ anna: ['bob', { to: 'anna-2, bob' }], n: 1, none: null })).toEqual({
    anna: ['machine-1', { to: 'machine-2, machine-1' }],
    n: 1,
    none: null,
  });
  expect(redactor.counts).toEqual(new Map([['machine', 2]]));
});

test.each([
  ['password=hunter2 host=db', 'hunter2'],
  ["could not connect with password='x y' now", 'x y'],
  ['PGPASSWORD=hunter2', 'hunter2'],
  ['{"token":"short-1","n":1}', 'short-1'],
  ['FILER_API_TOKEN: abcdef', 'abcdef'],
  ['Authorization: Bearer abc.def-123', 'abc.def-123'],
  ['Authorization: Basic dXNlcjpwdw==', 'dXNlcjpwdw=='],
  ['join FILER://host/short', 'short'],
])('what a word calls a secret is none in a bundle, however short it is: %s', (text, secret) => {
  expect(new Redactor([]).text(text)).not.toContain(secret);
});

test.each(['password authentication failed', 'this token is not valid: it was used, or is too old'])(
  'what is said about a secret stays: %s',
  (text) => {
    expect(new Redactor([]).text(text)).toBe(text);
  },
);
