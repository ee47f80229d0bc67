import { execFile } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { reachedMessage } from '@filer/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkSpool } from '../../apps/filer-client/src/doctor/home-checks.ts';
import { checkReachable } from '../../apps/filer-client/src/doctor/server-checks.ts';
import type { Member } from '../../apps/filer-client/src/network/member.ts';
import type { ServerSession } from '../../apps/filer-client/src/network/server-dial.ts';
import { runHere } from '../support/in-process.ts';
import { NetworkHere } from '../support/network-here.ts';
import { jsonLines, type Line, type ProgramName } from '../support/programs.ts';

/* What `doctor` says of a set-up that is broken, and that what it says to type mends it. */

let network: NetworkHere;

beforeAll(async () => {
  network = await NetworkHere.open();
});

afterAll(() => network[Symbol.asyncDispose]());

async function says(home: string, check: string, program: ProgramName = 'filer-client'): Promise<Line> {
  const [document = {}] = jsonLines(await runHere(program, home, ['doctor', '--json']));
  return ((document['checks'] ?? []) as Line[]).find((each) => each['check'] === check) ?? {};
}

/** What a remedy says to type, without its marks. */
const toType = ({ remedy }: Line): string[] =>
  [...String(remedy).matchAll(/`([^`]+)`/g)].map(([, command = '']) => command);

test('a machine that has not joined', async () => {
  const home = network.home('new');
  const found = await says(home, 'identity');
  expect(found).toMatchObject({ state: 'failed', facts: { code: 'not-joined' } });
  const [invite = '', join_ = ''] = toType(found);
  const { stdout } = await runHere('ip-server', network.serverHome, invite.split(' ').slice(1));
  await runHere('filer-client', home, [...join_.split(' ').slice(1), '--name', 'new'], stdout);

  expect(await says(home, 'identity')).toMatchObject({ state: 'ok' });
});

test('no daemon', async () => {
  await network.join('idle');
  const found = await says(network.home('idle'), 'daemon');
  expect(found).toMatchObject({ state: 'failed' });
  expect(toType(found)).toContain('filer-client start');
  await network.start(network.home('idle'));

  expect(await says(network.home('idle'), 'daemon')).toMatchObject({ state: 'ok' });
});

test('a server that is off, of which its own doctor says so', async () => {
  await using own = await NetworkHere.open();
  await own.join('carol');
  await own.stopServer();
  const found = await says(own.home('carol'), 'server');
  expect(found).toMatchObject({ state: 'failed', facts: { code: 'server-unreachable' } });
  expect(toType(found)).toContain('ip-server doctor');
  const there = await says(own.serverHome, 'server', 'ip-server');
  expect(there).toMatchObject({ state: 'failed' });
  expect(toType(there)).toContain('ip-server start');
  await own.startServer();

  expect(await says(own.home('carol'), 'server')).toMatchObject({ state: 'ok' });
  expect(await says(own.serverHome, 'server', 'ip-server')).toMatchObject({ state: 'ok' });
});

test.each([
  ['127.0.0.1:40000', '127.0.0.1:10902', 'sudo ufw allow 10902/tcp'],
  ['203.0.113.5:40000', '203.0.113.5:10902', '--advertise 203.0.113.5:10902'],
])(
  'a port that is closed from outside, of a machine that is seen at %s',
  async (observed, address, command) => {
    const record = { addresses: ['192.168.1.2:10902', '127.0.0.1:10902'] };
    const member = { id: 'A', directory: { byId: () => ({ record }) } } as unknown as Member;
    // A server takes 4 s for that, whatever the reason.
    const session = { ask: () => Promise.resolve(reachedMessage.format({ address, reached: false })) };
    const server = { session, welcome: { observed } } as unknown as ServerSession;
    const found = await checkReachable(member, server, '[::]:10902', new AbortController().signal);

    expect(found).toMatchObject({ state: 'warning', facts: { reached: false, address } });
    expect(toType(found)).toContain(command);
  },
);

test.each([
  ['filer-client', 'key.pem', 'identity'],
  ['ip-server', 'key.pem', 'identity'],
  ['ip-server', 'network-key.pem', 'network-key'],
] as const)('%s with a %s that others can read', async (program, file, check) => {
  await network.join('open');
  const home = program === 'ip-server' ? network.serverHome : network.home('open');
  await chmod(join(home, file), 0o644);
  const found = await says(home, check, program);
  expect(found).toMatchObject({ state: 'warning' });
  await promisify(execFile)('sh', ['-c', String(found['remedy'])]);

  expect(await says(home, check, program)).toMatchObject({ state: 'ok' });
});

test('a setting that is wrong', async () => {
  await network.join('wrong');
  const config = join(network.home('wrong'), 'config.toml');
  await writeFile(config, '# limits\nmax-files = "many"\n');
  expect(await says(network.home('wrong'), 'configuration')).toMatchObject({
    state: 'failed',
    summary: expect.stringContaining('max-files'),
    remedy: expect.stringContaining('remove the line'),
  });
  await writeFile(config, '# limits\n');

  expect(await says(network.home('wrong'), 'configuration')).toEqual({});
});

const MINUTE_MS = 60_000;

test.each([
  [9, true, 0, 'ok'],
  [10, true, 0, 'failed'],
  [600, false, 0, 'ok'], // without a server they wait by design
  [0, true, 1, 'warning'],
] as const)(
  'a spool whose oldest report waits for %i min, connected: %s, with %i refused, is %s',
  async (minutes, isConnected, refusedSize, state) => {
    const now = Date.now();
    const spool = {
      next: () => [{ time: now - minutes * MINUTE_MS }],
      size: 3,
      refusedSize,
      storedAt: undefined,
      problem: undefined,
    };
    const { remedy, ...found } = checkSpool({ spool } as unknown as Member, isConnected, now);

    expect(found).toMatchObject({ state, facts: { waiting: 3, refused: refusedSize } });
    const [command] = toType({ remedy });
    expect(command).toBe(state === 'ok' ? undefined : 'filer-client report spool');
    if (command === undefined) return;
    const typed = await runHere('filer-client', network.home('idle'), command.split(' ').slice(1));
    expect(typed).toMatchObject({ code: 0 });
  },
);
