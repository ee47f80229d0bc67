import { chmod, chown, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openHome, resolveHome } from '@filer/program';
import { needs } from '../support/needs.ts';
import { ProgramProcess, type ProgramName } from '../support/programs.ts';
import { checkSocketFolder } from '../../packages/program/src/home.ts';
import { describe, expect, test } from 'vitest';

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
    httpCertificateFile: '/srv/filer/http.pem',
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

test('the folders of the base directories are taken where the environment names them with full paths', () => {
  const env = {
    HOME: '/home/anna',
    XDG_CONFIG_HOME: '/etc/anna',
    XDG_DATA_HOME: 'relative',
    XDG_STATE_HOME: '',
  };
  const home = resolveHome('filer-client', env);

  expect(home.inbox).toBe('/home/anna/Filer');
  if (process.platform !== 'linux') return;
  expect(home.configFile).toBe('/etc/anna/filer/config.toml');
  expect(home.databaseFile).toBe('/home/anna/.local/share/filer/filer.db');
  expect(home.lockFile).toBe('/home/anna/.local/state/filer/daemon.lock');
});

describe.skipIf(needs.root() || needs('setpriv'))(
  'a user without HOME and without an entry in the list of users',
  () => {
    const STRANGER = 54_321;

    /** The variable of the home is not set when `home` is undefined. */
    async function runAs(program: ProgramName, args: readonly string[], home: string | undefined) {
      const unset = ['HOME', ...(home === undefined ? ['FILER_HOME', 'IP_SERVER_HOME'] : [])];
      const as = ['setpriv', `--reuid=${STRANGER}`, `--regid=${STRANGER}`, '--clear-groups'];
      const wrapper = [...as, 'env', ...unset.flatMap((name) => ['-u', name])];
      return await new ProgramProcess(program, args, home ?? '', { wrapper }).ended;
    }

    test.each<ProgramName>(['filer-client', 'ip-server'])(
      'needs for %s a variable for its home only',
      async (program) => {
        const home = await folder();
        await chown(home, STRANGER, STRANGER);
        const version = await runAs(program, ['--version'], undefined);
        const status = await runAs(program, ['status'], undefined);
        const within = await runAs(program, ['status'], home);
        await rm(home, { recursive: true });

        expect(version).toMatchObject({ code: 0, stderr: '' });
        expect(status.code).toBe(1);
        expect(status.stderr).toMatch(
          /^(filer-client|ip-server): this user has no home folder .*_HOME .*\n$/,
        );
        expect(within.stderr).toMatch(/has not joined|no ip-server has run/);
      },
    );
  },
);

test('a current folder that was removed is in the way of relative paths alone', async () => {
  const cwd = await folder();
  const home = await folder();
  const inRemoved = (...args: string[]) => {
    const wrapper = ['sh', '-c', 'rmdir "$PWD"; exec "$@"', 'sh'];
    return new ProgramProcess('filer-client', args, home, { wrapper, cwd }).ended;
  };
  const status = await inRemoved('status');
  await mkdir(cwd);
  const sent = await inRemoved('send', 'some-file', '--to', 'bob');

  expect(status.stderr).toContain('has not joined');
  expect(sent.code).toBe(1);
  expect(sent.stderr).toMatch(/^filer-client: the current folder was removed: .*\n$/);
});
