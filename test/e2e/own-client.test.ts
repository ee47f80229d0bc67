import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askHere, runHere } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import { DaemonProcess } from '../support/programs.ts';
import { Terminal } from '../support/terminal.ts';

const LISTEN = ['--host', '127.0.0.1', '--port', '0'];
const bin = fileURLToPath(new URL('../../apps/ip-server/bin/ip-server.js', import.meta.url));

let folder: string;
let server: string;
let client: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer-own-'));
  [server, client] = [join(folder, 'server'), join(folder, 'client')];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Names of the machines of the network. */
async function members(): Promise<unknown> {
  const [document] = await askHere('ip-server', server, ['peers']);
  return document?.['peers'];
}

test('start --join admits the client of its own machine, once', async () => {
  const options = { env: { FILER_HOME: client } };
  const first = await DaemonProcess.start('ip-server', [...LISTEN, '--join'], server, options);
  await first.said('filer-client has joined as');
  expect(await members()).toHaveLength(1);
  expect((await askHere('filer-client', client, ['status']))[0]).toMatchObject({ ended: null });
  const [invites] = await askHere('ip-server', server, ['invite', '--list']);
  expect(invites?.['invites']).toEqual([expect.objectContaining({ state: 'used-up', uses: 1 })]);
  await first.stop();

  const second = await DaemonProcess.start('ip-server', [...LISTEN, '--join'], server, options);
  await second.said('stays as it is');
  expect(await members()).toHaveLength(1);
  await second.stop();
});

test('without a terminal nothing is asked, and no client joins', async () => {
  const daemon = await DaemonProcess.start('ip-server', LISTEN, server, { env: { FILER_HOME: client } });
  expect(await members()).toEqual([]);
  await daemon.stop();
  expect(daemon.stderr).not.toContain('?');
  expect(await runHere('ip-server', server, ['start', '--join', '--no-join'])).toMatchObject({ code: 2 });
});

test.skipIf(needs('python3')).each([
  ['y', 'has joined as', 1],
  ['n', undefined, 0],
] as const)(
  'a new network asks on a terminal whether the own client joins: %s',
  async (answer, words, count) => {
    const terminal = new Terminal([process.execPath, bin, 'start', ...LISTEN], {
      FILER_HOME: client,
      IP_SERVER_HOME: server,
    });
    try {
      await terminal.shows('filer-client to the network');
      terminal.type(`${answer}\n`);
      if (words !== undefined) await terminal.shows(words);
      expect(await members()).toHaveLength(count);
      expect((await askHere('ip-server', server, ['stop']))[0]).toMatchObject({ stopped: true });
      expect(await terminal.ended()).toBe(0);
    } finally {
      terminal.kill();
    }
  },
);
