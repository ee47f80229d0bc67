import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { BehindRouters, type BehindOptions } from '../support/behind-routers.ts';
import type { Weather } from '../support/link.ts';
import type { RouterKind } from '../support/router-rules.ts';
import { needs } from '../support/needs.ts';
import { jsonLines, ProgramProcess, type Line } from '../support/programs.ts';
import { sha256, writeRandomFile } from '../support/test-network.ts';

const RELAYED = 'relayed by ip-server';
const MB = 1_000_000;

describe.skipIf(needs.namespaces() || needs('nft', 'tc', 'python3'))('two machines in a network that', () => {
  let behind: BehindRouters;
  const opened: BehindRouters[] = [];

  afterEach(async () => {
    for (const each of opened.splice(0)) await each[Symbol.asyncDispose]();
  });

  const open = async (kind: RouterKind = 'random', options: BehindOptions = {}): Promise<void> => {
    behind = await BehindRouters.open(kind, kind, options);
    opened.push(behind);
    // Who has just come is known with the next turn of the directory.
    await sees(({ online }) => online === true);
  };

  /** A send of anna to ben. */
  async function begin(bytes: number, ...flags: string[]): Promise<ProgramProcess> {
    const file = join(behind.folder, 'file.bin');
    await writeRandomFile(file, bytes);
    const args = ['send', file, '--to', 'ben', '--json', '--timeout', '3m', ...flags];
    return new ProgramProcess('filer-client', args, behind.home('anna'), behind.network.on('a'));
  }

  const sent = (command: ProgramProcess, bytes: number): Promise<Line> =>
    command.line(({ type, bytesDone }) => type === 'progress' && Number(bytesDone) >= bytes);

  /** It came whole, and little of it twice. @returns on which path the rest went */
  async function wellDone(command: ProgramProcess, bytes: number, twice = 12 * MB): Promise<string> {
    const outcome = await command.ended;
    const done = jsonLines(outcome).at(-1) ?? {};
    expect(outcome.stderr + JSON.stringify(done)).toContain('"ok":true');
    expect(Number(done['bytesSent'])).toBeLessThanOrEqual(bytes + twice);
    const came = join(behind.home('ben'), 'inbox', 'anna', 'file.bin');
    expect(await sha256(came)).toBe(await sha256(join(behind.folder, 'file.bin')));
    return String((done['recipients'] as Line[])[0]?.['connection']);
  }

  /** Waits until anna sees ben so. @returns after how many seconds */
  async function sees(fits: (ben: Line) => boolean): Promise<number> {
    const begun = performance.now();
    for (;;) {
      const [document = {}] = jsonLines(await behind.run('anna', ['peers', '--json']));
      const ben = (document['peers'] as Line[]).find(({ name }) => name === 'ben') ?? {};
      if (fits(ben)) return Math.round((performance.now() - begun) / 1_000);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  /** What anna's doctor says, of each check. @param peer also the way to it */
  async function doctor(peer?: string): Promise<(check: string) => Line> {
    const args = ['doctor', ...(peer === undefined ? [] : [peer]), '--json'];
    const [document = {}] = jsonLines(await behind.run('anna', args));
    const checks = (document['checks'] ?? []) as Line[];
    return (name) => checks.find(({ check }) => check === name) ?? {};
  }

  test.each([
    ['keeps', 'keeps', 'punched'],
    ['random', 'keeps', RELAYED],
    ['keeps', 'random', RELAYED],
  ] as const)('has a provider that %s ports behind a router that %s them', async (carrier, kind, path) => {
    await open(kind, { carrier });
    expect(await wellDone(await begin(20 * MB), 20 * MB)).toBe(path);
    expect((await doctor('ben'))('peer')).toMatchObject({ facts: { via: path } });
  });

  test('has IPv6 alone at one of them', async () => {
    await open('keeps', { versions: 'ipv6' });
    expect(await wellDone(await begin(20 * MB), 20 * MB)).toBe(RELAYED);
    expect((await doctor('ben'))('peer')).toMatchObject({ state: 'ok', facts: { via: RELAYED } });
  });

  test.each(['a', 'b'] as const)('gives another address to %s in the middle', async (host) => {
    await open('keeps');
    const command = await begin(100 * MB, '--limit', '20MB/s');
    await sent(command, 30 * MB);
    await behind.network.readdress(host, 77);
    expect(await wellDone(command, 100 * MB)).toMatch(/punched|relayed/);
  });

  test('has a cable that is pulled: presence says so in its time, and that it is back', async () => {
    await open('keeps', { server: ['--report-interval', '2s'] });
    await behind.network.cable('b', 'down');
    // Three heartbeats, and a turn of the directory.
    expect(await sees(({ online }) => online === false)).toBeLessThanOrEqual(6 + 5 + 3);
    await behind.network.cable('b', 'up');
    // ben notices after 45 s of silence, and connects again.
    expect(await sees(({ online }) => online === true)).toBeLessThanOrEqual(60);
  });

  test('has a VPN that comes and goes', async () => {
    await open('random');
    const command = await begin(300 * MB, '--limit', '4MB/s');
    await sent(command, 10 * MB);
    await behind.network.tunnel();
    await behind.daemon('ben').said('a transfer continues on a better path');
    await sees(({ via }) => via === 'direct');
    await behind.network.cutTunnel();
    expect(await wellDone(command, 300 * MB)).toBe(RELAYED);
  });

  test('has a VPN that loses large packets without a word', async () => {
    await open('random');
    await behind.network.tunnel();
    await sees(({ addresses }) => String(addresses).includes('10.8.2.2'));
    await behind.network.narrowTunnel(1_200);
    const of = await doctor('ben');
    expect(of('direct')).toMatchObject({ state: 'warning' });
    expect(of('direct')['remedy']).toContain('tcp_mtu_probing');
    expect(of('peer')).toMatchObject({ state: 'ok', facts: { via: RELAYED } });
    expect(await wellDone(await begin(40 * MB), 40 * MB)).toBe(RELAYED);
  });

  test('loses large packets without a word on the only line: what doctor says to type helps', async () => {
    await open('keeps');
    await behind.network.blackHole('a', 1_200);
    await behind.daemon('anna').stop();
    const own = await doctor();
    expect(own('server')).toMatchObject({ state: 'failed' });
    const [, setting = ''] =
      /sysctl -w (net\.ipv4\.tcp_mtu_probing=\d)/.exec(String(own('server')['remedy'])) ?? [];
    for (const host of ['a', 'server'] as const) await behind.network.sysctl(host, setting);
    expect((await doctor())('server')).toMatchObject({ state: 'ok' });
    expect(await wellDone(await begin(20 * MB), 20 * MB)).toMatch(/punched|relayed/);
  });

  test('begins to lose large packets in the middle: the rest goes on another path', async () => {
    await open('random');
    await behind.network.tunnel();
    await sees(({ addresses }) => String(addresses).includes('10.8.2.2'));
    const command = await begin(100 * MB, '--limit', '10MB/s');
    await sent(command, 20 * MB);
    await behind.network.narrowTunnel(1_200);
    expect(await wellDone(command, 100 * MB)).toBe(RELAYED);
  });

  test('carries 20 Mbit/s: it is used, and presence stays', async () => {
    await open('keeps');
    await behind.network.rate('a', '20mbit');
    const begun = performance.now();
    const command = await begin(40 * MB);
    await sent(command, 20 * MB);
    expect(await sees(({ online }) => online === true)).toBeLessThan(2);
    expect(await wellDone(command, 40 * MB)).toMatch(/punched|relayed/);
    const bitsPerSecond = (40 * MB * 8) / ((performance.now() - begun) / 1_000);
    process.stdout.write(`${(bitsPerSecond / 1e6).toFixed(1)} of 20 Mbit/s\n`);
  });

  test.each<readonly [string, Weather]>([
    ['is 100 ms away', { delayMs: 50 }],
    ['loses one packet in a hundred', { delayMs: 10, loss: 0.01 }],
    ['mixes packets up', { delayMs: 10, jitterMs: 5, reorder: 0.05 }],
  ])('has a line that %s', async (_, weather) => {
    await open('keeps', { weather });
    expect(await wellDone(await begin(20 * MB), 20 * MB)).toMatch(/punched|relayed/);
    expect(await sees(({ online }) => online === true)).toBeLessThan(2);
  });

  test('has a line that is cut for 10 s, twice, while both ends have a link', async () => {
    await open('keeps', { weather: { delayMs: 5 } });
    const command = await begin(100 * MB, '--limit', '4MB/s');
    for (const bytes of [20 * MB, 60 * MB]) {
      await sent(command, bytes);
      await behind.network.line.become({ cut: true });
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      await behind.network.line.become({ delayMs: 5 });
    }
    expect(await wellDone(command, 100 * MB)).toMatch(/punched|relayed/);
  });

  test.each(['SIGKILL', 'SIGSTOP'] as const)('loses its relay by %s: that costs a resume', async (signal) => {
    await open('random', { relays: true, server: ['--no-relay'] });
    const command = await begin(200 * MB, '--limit', '10MB/s');
    await sent(command, 20 * MB);
    let via = '';
    await sees((ben) => (via = String(ben['via'])).startsWith('relayed by'));
    const relay = behind.daemon(via.replace('relayed by ', ''));
    relay.child.kill(signal);
    const after = await wellDone(command, 200 * MB);
    relay.child.kill('SIGCONT');
    expect([via, after].toSorted()).toEqual(['relayed by carla', 'relayed by dora']);
  });
});
