import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeSystemd, type FakeSystemd } from '../support/fake-systemd.ts';
import { runHere } from '../support/in-process.ts';
import { NetworkHere } from '../support/network-here.ts';
import { jsonLines, runProgram } from '../support/programs.ts';

let folder: string;
let systemd: FakeSystemd;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer service-'));
  systemd = await fakeSystemd(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('join --service joins, starts the service, updates it, and stop says that it is one', async () => {
  await using network = await NetworkHere.open();
  const home = join(folder, 'home');
  const { env } = systemd;
  await mkdir(home);
  await writeFile(join(home, 'config.toml'), 'listen = "127.0.0.1:0"\n');
  const joined = await runProgram(
    'filer-client',
    ['join', '-', '--name', 'anna', '--service', '--json'],
    home,
    {
      input: await network.invite(),
      env: { ...env, FILER_LISTEN: '127.0.0.1:0' },
    },
  );
  try {
    expect([joined.code, joined.stderr]).toEqual([0, expect.any(String)]);
    expect(jsonLines(joined)).toEqual([
      expect.objectContaining({
        name: 'anna',
        service: expect.objectContaining({ active: true, changed: true }),
      }),
    ]);
    expect(joined.stderr).toContain('FILER_LISTEN');
    expect(await readFile(systemd.unit('filer-client'), 'utf8')).toContain(
      `Environment="FILER_HOME=${home}"`,
    );

    const again = await runHere('filer-client', home, ['service', 'status', '--json'], '', false, env);
    expect(jsonLines(again)).toEqual([
      expect.objectContaining({ installed: true, enabled: true, active: true }),
    ]);
    const other = await runProgram('filer-client', ['service', 'install'], join(folder, 'other'), { env });
    expect(other.code).toBe(3);
    const update = await runProgram('filer-client', ['service', 'install', '--json'], home, { env });
    expect([update.code, jsonLines(update)]).toEqual([0, [expect.objectContaining({ changed: false })]]);
    expect((await runHere('filer-client', home, ['status'], '', false, env)).stdout).toMatch(
      /^daemon +running/m,
    );
    const stopped = await runHere('filer-client', home, ['stop', '--json'], '', false, env);
    expect(jsonLines(stopped)).toEqual([expect.objectContaining({ stopped: true, service: true })]);
    expect(stopped.stderr).toContain('filer-client service remove');
    const started = await runProgram('filer-client', ['service', 'install', '--user', '--json'], home, {
      env: { ...env, FAKE_LINGER: '1' },
    });
    expect(jsonLines(started)).toEqual([expect.objectContaining({ active: true, linger: false })]);
    expect(started.stderr).toContain('enable-linger');
  } finally {
    const removed = await runHere('filer-client', home, ['service', 'remove'], '', false, env);
    expect(removed.code).toBe(0);
  }
  expect((await runHere('filer-client', home, ['stop'], '', false, env)).stdout).toContain('not running');
  expect((await runHere('filer-client', home, ['service', 'remove'], '', false, env)).code).toBe(0);
  await expect(readFile(systemd.unit('filer-client'))).rejects.toThrow('ENOENT');
});

describe('without systemd', () => {
  test('join --service joins, and says what to type instead', async () => {
    await using network = await NetworkHere.open();
    await systemd.takeAway();
    const { code, stdout, stderr } = await runHere(
      'filer-client',
      join(folder, 'home'),
      ['join', '-', '--name', 'anna', '--service'],
      await network.invite(),
      false,
      systemd.env,
    );

    expect([code, stdout]).toEqual([0, expect.stringContaining('joined as anna')]);
    expect(stderr).toContain('crontab');
    expect(stderr).toContain('nohup');
  });

  test('service install fails with that, service status and remove do not', async () => {
    await systemd.takeAway();
    const run = (verb: string) =>
      runHere('ip-server', join(folder, 'home'), ['service', verb], '', false, systemd.env);

    expect(await run('install')).toMatchObject({ code: 1, stderr: expect.stringContaining('crontab') });
    expect(await run('status')).toMatchObject({ code: 0 });
    expect(await run('remove')).toMatchObject({ code: 0 });
  });
});

test('a unit that somebody else wrote is neither replaced nor removed', async () => {
  await writeFile(systemd.unit('ip-server'), '[Service]\nExecStart=/bin/true\n');
  for (const verb of ['install', 'remove']) {
    const { code, stderr } = await runHere(
      'ip-server',
      join(folder, 'home'),
      ['service', verb],
      '',
      false,
      systemd.env,
    );
    expect([code, stderr]).toEqual([6, expect.stringContaining(systemd.unit('ip-server'))]);
  }
  expect(await readFile(systemd.unit('ip-server'), 'utf8')).toContain('/bin/true');
});

test('filer-client is not installed as a service before it has joined', async () => {
  const { code } = await runHere(
    'filer-client',
    join(folder, 'home'),
    ['service', 'install'],
    '',
    false,
    systemd.env,
  );

  expect(code).toBe(3);
  expect(await systemd.calls()).toEqual([]);
});
