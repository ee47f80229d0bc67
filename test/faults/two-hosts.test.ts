import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needs } from '../support/needs.ts';
import { DaemonProcess, jsonLines, ProgramProcess, runProgram, type Outcome } from '../support/programs.ts';
import { sha256, writeRandomFile } from '../support/test-network.ts';

const run = promisify(execFile);
const ip = (...args: string[]) => run('ip', args);

describe.skipIf(needs.namespaces())('two hosts with a cable between them', () => {
  /** The server and bob are on one host, anna on the other. */
  const hosts = { here: `filer-a-${process.pid}`, there: `filer-b-${process.pid}` };
  const cable = `fa${process.pid}`;
  let folder: string;
  let server: DaemonProcess;
  let bob: DaemonProcess;

  const home = (name: string) => join(folder, name);
  const on = (host: string) => ({ wrapper: ['ip', 'netns', 'exec', host] });
  const anna = (args: readonly string[], input = ''): Promise<Outcome> =>
    runProgram('filer-client', args, home('anna'), { ...on(hosts.there), input });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filer-hosts-'));
    for (const host of Object.values(hosts)) {
      await ip('netns', 'add', host);
      await ip('-n', host, 'link', 'set', 'lo', 'up');
    }
    await ip('link', 'add', cable, 'netns', hosts.here, 'type', 'veth', 'peer', cable, 'netns', hosts.there);
    await ip('-n', hosts.here, 'address', 'add', '198.51.100.1/24', 'dev', cable);
    await ip('-n', hosts.there, 'address', 'add', '198.51.100.2/24', 'dev', cable);
    for (const host of Object.values(hosts)) await ip('-n', host, 'link', 'set', cable, 'up');

    server = await DaemonProcess.start('ip-server', ['--port', '0'], home('server'), on(hosts.here));
    const invite = await runProgram('ip-server', ['invite', '--uses', '2'], home('server'), on(hosts.here));
    const joined = await anna(['join', '-', '--name', 'anna'], invite.stdout);
    if (joined.code !== 0) throw new Error(joined.stderr);
    const options = { ...on(hosts.here), input: invite.stdout };
    await runProgram('filer-client', ['join', '-', '--name', 'bob'], home('bob'), options);
    bob = await DaemonProcess.start('filer-client', [], home('bob'), on(hosts.here));
    await bob.said('connected to the ip-server');
  });

  afterAll(async () => {
    await bob.stop('SIGKILL');
    await server.stop('SIGKILL');
    for (const host of Object.values(hosts)) await ip('netns', 'del', host);
    await rm(folder, { recursive: true, force: true });
  });

  test('a machine joins over it by what the invite says, and sends a file to the other host', async () => {
    const file = join(folder, 'film.mov');
    await writeRandomFile(file, 5_000_000);
    const sent = await anna(['send', file, '--to', 'bob', '--json']);

    expect([sent.code, sent.stderr.match(/^filer-client: .*$/gm)]).toEqual([0, null]);
    expect(await sha256(join(home('bob'), 'inbox/anna/film.mov'))).toBe(await sha256(file));
    const peers = await anna(['peers', '--json']);
    expect(jsonLines(peers)).toMatchObject([
      { peers: [{ name: 'bob', online: true, addresses: [expect.stringMatching(/^198\.51\.100\.1:/)] }] },
    ]);
  });

  test('a cable that is pulled for a moment while a file is on its way costs nothing but that moment', async () => {
    const file = join(folder, 'long.mov');
    await writeRandomFile(file, 200_000_000);
    const args = ['send', file, '--to', 'bob', '--json'];
    const sending = new ProgramProcess('filer-client', args, home('anna'), on(hosts.there));
    await sending.typed('progress');
    await ip('-n', hosts.here, 'link', 'set', cable, 'down');
    await ip('-n', hosts.here, 'link', 'set', cable, 'up');

    expect((await sending.ended).code).toBe(0);
    expect(await sha256(join(home('bob'), 'inbox/anna/long.mov'))).toBe(await sha256(file));
  });
});
