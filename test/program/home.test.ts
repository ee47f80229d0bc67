import { chmod, mkdir, mkdtemp, stat, symlink } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openHome, resolveHome } from '@filer/program';
import { checkSocketFolder } from '../../packages/program/src/home.ts';
import { expect, test } from 'vitest';

function folder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'filer-home-'));
}

test('FILER_HOME puts everything of the client in one folder', () => {
  const home = resolveHome('filer-client', { FILER_HOME: '/srv/filer', IP_SERVER_HOME: '/srv/other' });
  expect(home).toEqual({
    program: 'filer-client',
    configFile: '/srv/filer/config.toml',
    identityFolder: '/srv/filer',
    databaseFile: '/srv/filer/filer.db',
    digestsFile: '/srv/filer/digests.db',
    attachments: '/srv/filer/attachments',
    schedulesFile: '/srv/filer/schedules.toml',
    membershipFile: '/srv/filer/membership.json',
    networkKeyFile: '/srv/filer/network-key.pem',
    webhookSecretFile: '/srv/filer/webhook-secret',
    inbox: '/srv/filer/inbox',
    outgoing: '/srv/filer/outgoing',
    controlSocket: '/srv/filer/control.sock',
    lockFile: '/srv/filer/daemon.lock',
    own: {
      homes: ['/srv/filer', '/srv/other'],
      spools: [
        '/srv/filer/outgoing',
        '/srv/filer/attachments',
        '/srv/other/outgoing',
        '/srv/other/attachments',
      ],
    },
  });
});

test('without a variable the inbox is ~/Filer and the two programs share no folder', () => {
  const client = resolveHome('filer-client', { FILER_HOME: '' });
  const server = resolveHome('ip-server', {});
  expect(client.inbox).toBe(join(homedir(), 'Filer'));
  expect(client.identityFolder).not.toBe(server.identityFolder);
  expect(client.controlSocket).not.toBe(server.controlSocket);
});

test('a relative home is taken from the current folder', () => {
  expect(resolveHome('ip-server', { IP_SERVER_HOME: 'server' }).identityFolder).toBe(
    join(process.cwd(), 'server'),
  );
});

test('a control socket path above 100 bytes moves to a short one that is the same through a link', async () => {
  const at = await folder();
  const long = join(at, 'a'.repeat(100));
  await mkdir(long);
  await symlink(at, `${at}-link`);
  const through = (path: string) =>
    resolveHome('filer-client', { FILER_HOME: path, XDG_RUNTIME_DIR: '/run/user/1' }).controlSocket;
  const socket = through(join(long, 'new'));
  expect(socket).toMatch(/^\/run\/user\/1\/filer-client-[0-9a-f]{24}\/control\.sock$/);
  expect(through(join(`${at}-link`, 'a'.repeat(100), 'new'))).toBe(socket);
  await mkdir(join(long, 'new'));
  expect(through(join(`${at}-link`, 'a'.repeat(100), 'new'))).toBe(socket);
  expect(through(join(long, 'other'))).not.toBe(socket);
});

test('a path of exactly 100 bytes stays, one of 101 moves', () => {
  const home = (bytes: number) => `/${'h'.repeat(bytes - '/'.length - '/control.sock'.length)}`;
  expect(resolveHome('filer-client', { FILER_HOME: home(100) }).controlSocket).toHaveLength(100);
  expect(resolveHome('filer-client', { FILER_HOME: home(101) }).controlSocket).not.toContain('hhh');
});

test('an opened home is for this user only', async () => {
  const home = resolveHome('filer-client', { FILER_HOME: join(await folder(), 'deep', 'home') });
  await openHome(home);
  await openHome(home);
  expect((await stat(home.identityFolder)).mode & 0o777).toBe(0o700);
});

test('the folder of a moved socket is made for this user only, and one that is open to others is refused', async () => {
  const home = resolveHome('filer-client', {
    FILER_HOME: join(await folder(), 'h'.repeat(100)),
    XDG_RUNTIME_DIR: await folder(),
  });
  expect(await checkSocketFolder(home)).toBe(false);
  await openHome(home);
  expect((await stat(dirname(home.controlSocket))).mode & 0o777).toBe(0o700);
  expect(await checkSocketFolder(home)).toBe(true);
  await chmod(dirname(home.controlSocket), 0o755);
  await expect(checkSocketFolder(home)).rejects.toMatchObject({ code: 'home-not-writable' });
});

test('a home that cannot be made is an error that names the folder and the variable', async () => {
  const home = resolveHome('ip-server', { IP_SERVER_HOME: '/dev/null/home' });
  await expect(openHome(home)).rejects.toMatchObject({
    code: 'home-not-writable',
    message: expect.stringMatching(/\/dev\/null\/home.*IP_SERVER_HOME/),
  });
});
