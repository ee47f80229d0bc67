import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../support/in-process.ts';
import { LinkedHosts } from '../support/link.ts';
import { needs } from '../support/needs.ts';
import { DaemonProcess, jsonLines, ProgramProcess, runProgram, type Outcome } from '../support/programs.ts';
import { sha256, writeRandomFile } from '../support/test-network.ts';

const run = promisify(execFile);

/** Each connection gets little of it, whatever the congestion control of this machine makes of lost packets. */
const FAR_AND_LOSSY = { delayMs: 50, loss: 0.02, mbit: 100 };

describe.skipIf(needs.namespaces() || needs('python3'))('files over a link that is long and bad', () => {
  let folder: string;
  let hosts: LinkedHosts;
  const daemons: DaemonProcess[] = [];
  const home = (name: string): string => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filer-links-'));
    hosts = await LinkedHosts.open();
    for (const host of ['a', 'b'] as const) {
      // The one that is everywhere; it takes each lost packet for a full link.
      const setting = 'net.ipv4.tcp_congestion_control=reno';
      await run('ip', ['netns', 'exec', hosts.host(host), 'sysctl', '-qw', setting]);
    }
    const { a } = LinkedHosts.addresses;
    const flags = ['--port', '10901', '--http-port', 'off', '--advertise', `${a}:10901`];
    daemons.push(await DaemonProcess.start('ip-server', flags, home('server'), hosts.on('a')));
    const invited = await runProgram('ip-server', ['invite', '--uses', '2'], home('server'), hosts.on('a'));
    for (const [name, host] of [
      ['anna', 'a'],
      ['ben', 'b'],
    ] as const) {
      const joining = { ...hosts.on(host), input: invited.stdout };
      const joined = await runProgram('filer-client', ['join', '-', '--name', name], home(name), joining);
      if (joined.code !== 0) throw new Error(joined.stderr);
      const daemon = await DaemonProcess.start('filer-client', [], home(name), hosts.on(host));
      daemons.push(daemon);
      await daemon.said('connected to the ip-server');
    }
  });
  afterAll(async () => {
    for (const daemon of daemons.toReversed()) await daemon.stop('SIGKILL');
    await hosts[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => hosts.link.become({}));

  const anna = (...args: string[]): Promise<Outcome> =>
    runProgram('filer-client', args, home('anna'), hosts.on('a'));

  /** Connections of ben's host: to its port for peers, or to the ip-server. */
  async function connections(to = 'sport = :10902'): Promise<number> {
    const listed = ['netns', 'exec', hosts.host('b'), 'ss', '-Htn', 'state', 'established', to];
    const { stdout } = await run('ip', listed);
    return stdout.split('\n').filter((line) => line !== '').length;
  }

  async function arrived(name: string, sent: Outcome): Promise<void> {
    expect(jsonLines(sent).at(-1)).toMatchObject({ type: 'done', ok: true });
    expect(await sha256(join(home('ben'), 'inbox', 'anna', name))).toBe(await sha256(join(folder, name)));
  }

  test('several connections carry a file, a text is there before it, and a cut costs a resume at most', async () => {
    const name = 'far.bin';
    await writeRandomFile(join(folder, name), 24_000_000);
    await hosts.link.become(FAR_AND_LOSSY);
    let isOver = false;
    const sent = anna('send', join(folder, name), '--to', 'ben', '--json', '--timeout', '3m');
    void sent.then(() => (isOver = true));
    await until(
      () => connections(),
      (count) => count >= 5,
    );
    expect((await anna('message', 'ben', 'before the bulk')).code).toBe(0);
    expect(isOver).toBe(false);
    await hosts.link.become({ cut: true });
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await hosts.link.become({ ...FAR_AND_LOSSY, loss: 0.005 });
    await arrived(name, await sent);
    expect(
      await until(
        () => connections(),
        (count) => count <= 2,
      ),
    ).toBeLessThanOrEqual(2);
  }, 300_000);

  test('what is fetched comes over several, too', async () => {
    const shared = join(folder, 'shared');
    await mkdir(shared);
    await writeRandomFile(join(shared, 'a.bin'), 16_000_000);
    await runProgram('filer-client', ['share', 'add', shared], home('ben'), hosts.on('b'));
    await hosts.link.become(FAR_AND_LOSSY);
    const fetching = new ProgramProcess(
      'filer-client',
      ['get', 'ben:shared/a.bin', join(folder, 'fetched.bin'), '--json'],
      home('anna'),
      hosts.on('a'),
    );
    await until(
      () => connections(),
      (count) => count >= 5,
    );
    await hosts.link.become({ delayMs: 5 });
    expect((await fetching.ended).code).toBe(0);
    expect(await sha256(join(folder, 'fetched.bin'))).toBe(await sha256(join(shared, 'a.bin')));
  }, 300_000);

  test('over a relay there are two, and a text has a place beside them', async () => {
    const name = 'relayed.bin';
    await writeRandomFile(join(folder, name), 16_000_000);
    await hosts.link.become(FAR_AND_LOSSY);
    const atServer = (): Promise<number> => connections('dport = :10901');
    const before = await atServer();
    const sent = anna('send', join(folder, name), '--to', 'ben', '--relay-only', '--json');
    await until(atServer, (count) => count >= before + 3);
    expect((await anna('message', 'ben', 'beside the bulk')).code).toBe(0);
    await hosts.link.become({ delayMs: 5 });
    await arrived(name, await sent);
  }, 300_000);

  test('packets that overtake others change nothing', async () => {
    await writeRandomFile(join(folder, 'reordered.bin'), 8_000_000);
    await hosts.link.become({ delayMs: 10, reorder: 0.05, mbit: 50 });
    const sent = await anna('send', join(folder, 'reordered.bin'), '--to', 'ben', '--json');
    expect(sent.code).toBe(0);
    await arrived('reordered.bin', sent);
  }, 300_000);
});
