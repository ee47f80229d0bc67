import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  choiceKind,
  DURATION,
  listSetting,
  optionalSetting,
  PORT,
  readConfiguration,
  resolveHome,
  setting,
  settingArguments,
  textKind,
  toggleSetting,
  writeConfigurationTemplate,
  type Home,
} from '@filer/program';
import { expect, test } from 'vitest';
import { commandOf, run } from './run.ts';

const settings = {
  port: setting(PORT, '10901', 'the port to listen on'),
  broadcastIntervalMs: setting(DURATION, '5s', 'how often the directory is sent'),
  accept: setting(choiceKind(['members', 'none']), 'members', 'whose files are taken'),
  name: optionalSetting(textKind('a name'), 'lab-1', 'what this machine is called'),
  advertise: listSetting(
    textKind('an address such as 192.0.2.7:10901'),
    '192.0.2.7:10901',
    'where it is reached',
  ),
  sync: toggleSetting(true, 'sync files to the disk'),
  relay: toggleSetting(false, 'pass on bytes for others'),
};

const defaults = {
  port: 10_901,
  broadcastIntervalMs: 5_000,
  accept: 'members',
  name: undefined,
  advertise: [],
  sync: true,
  relay: false,
};

async function homeWith(toml?: string): Promise<Home> {
  const home = resolveHome('ip-server', { IP_SERVER_HOME: await mkdtemp(join(tmpdir(), 'filer-config-')) });
  if (toml !== undefined) await writeFile(home.configFile, toml);
  return home;
}

test('without flag, variable and file every setting has its default', async () => {
  expect(await readConfiguration(settings, { home: await homeWith(), env: {}, flags: {} })).toEqual(defaults);
});

test('a flag wins over a variable, a variable over the file, the file over the default', async () => {
  const home = await homeWith(
    'port = 1\nbroadcast-interval = "1s"\naccept = "none"\nadvertise = ["a:1", "b:2"]\nsync = false\n',
  );
  const env = { IP_SERVER_PORT: '2', IP_SERVER_BROADCAST_INTERVAL: '2s', IP_SERVER_ADVERTISE: 'c:3,d:4' };
  expect(await readConfiguration(settings, { home, env: {}, flags: {} })).toEqual({
    ...defaults,
    port: 1,
    broadcastIntervalMs: 1_000,
    accept: 'none',
    advertise: ['a:1', 'b:2'],
    sync: false,
  });
  expect(await readConfiguration(settings, { home, env, flags: { port: 3, sync: true } })).toMatchObject({
    port: 3,
    broadcastIntervalMs: 2_000,
    accept: 'none',
    advertise: ['c:3', 'd:4'],
    sync: true,
  });
});

test.each([
  ['port = 70000', 'port in FILE takes a whole number from 0 to 65535 such as 10901, not "70000"'],
  [
    'broadcast-interval = 5',
    'broadcast-interval in FILE takes a duration such as 500ms, 10s, 5m, 1h or 7d, not "5"',
  ],
  ['accept = "all"', 'accept in FILE takes one of members, none, not "all"'],
  ['sync = "maybe"', 'sync in FILE takes true or false, not "maybe"'],
  ['name = ["a"]', 'name in FILE has a value of the wrong type, see "lab-1"'],
  ['advertise = [{}]', 'advertise in FILE has a value of the wrong type'],
  ['prot = 1', 'FILE sets "prot", which is not a setting; there are port, broadcast-interval'],
  ['port = 1\nport = 2', 'FILE, line 2 is not TOML'],
  ['port', 'FILE, line 1 is not TOML'],
])('the file %j is refused: %s', async (toml, words) => {
  const home = await homeWith(toml);
  await expect(readConfiguration(settings, { home, env: {}, flags: {} })).rejects.toMatchObject({
    code: 'configuration-invalid',
    message: expect.stringContaining(words.replace('FILE', home.configFile)),
  });
});

test('a wrong variable is refused by its name', async () => {
  const home = await homeWith();
  const env = { IP_SERVER_BROADCAST_INTERVAL: 'often' };
  await expect(readConfiguration(settings, { home, env, flags: {} })).rejects.toMatchObject({
    code: 'configuration-invalid',
    message: expect.stringContaining('IP_SERVER_BROADCAST_INTERVAL'),
  });
});

test('the template changes nothing, and with its comments taken away it is a valid file', async () => {
  const home = await homeWith();
  expect(await writeConfigurationTemplate(settings, home)).toBe(true);
  expect((await stat(home.configFile)).mode & 0o777).toBe(0o600);
  expect(await readConfiguration(settings, { home, env: {}, flags: {} })).toEqual(defaults);
  const text = await readFile(home.configFile, 'utf8');
  await writeFile(home.configFile, text.replaceAll(/^#(?! )/gm, ''));
  expect(await readConfiguration(settings, { home, env: {}, flags: {} })).toEqual({
    ...defaults,
    name: 'lab-1',
    advertise: ['192.0.2.7:10901'],
  });
});

test('the template never replaces a file', async () => {
  const home = await homeWith('port = 7\n');
  expect(await writeConfigurationTemplate(settings, home)).toBe(false);
  expect(await readFile(home.configFile, 'utf8')).toBe('port = 7\n');
});

test('the options of a command set the same settings, and a setting that is on has a --no- option', async () => {
  const home = await homeWith('relay = true\naccept = "none"\n');
  const startCommand = commandOf('start', settingArguments(settings), async (flags, { output }) => {
    output.json(await readConfiguration(settings, { home, env: {}, flags }));
  });
  const { stdout } = await run(
    [startCommand],
    ['start', '--json', '--no-sync', '--port', '0', '--broadcast-interval=1m', '--advertise', 'a:1,b:2'],
  );
  expect(JSON.parse(stdout)).toEqual({
    port: 0,
    broadcastIntervalMs: 60_000,
    accept: 'none',
    advertise: ['a:1', 'b:2'],
    sync: false,
    relay: true,
  });
  const wrong = await run([startCommand], ['start', '--port', 'http']);
  expect(wrong).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('--port takes a whole number'),
  });
});

test('a file that is empty for a moment is waited for', async () => {
  const home = await homeWith('');
  const reading = readConfiguration(settings, { home, env: {}, flags: {} });
  await writeFile(home.configFile, 'accept = "none"\n');

  expect(await reading).toMatchObject({ accept: 'none' });
});

test('a file that stays without text does not set the defaults', async () => {
  const home = await homeWith(' \n\n');
  const reading = readConfiguration(settings, { home, env: {}, flags: {} });

  await expect(reading).rejects.toMatchObject({ code: 'configuration-invalid' });
});

test('a file of comments sets nothing', async () => {
  const home = await homeWith('# nothing\n');

  expect(await readConfiguration(settings, { home, env: {}, flags: {} })).toEqual(defaults);
});
