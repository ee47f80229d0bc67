import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LinkedHosts } from '../support/link.ts';
import { needs } from '../support/needs.ts';

/** Sends what it reads as datagrams, a line each, padded; says `sent` for each, and what comes back. */
const PROBE = `
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (data) => console.log(data.toString().trimEnd()));
  socket.bind(() => console.log('ready'));
  require('node:readline').createInterface(process.stdin).on('line', (line) => {
    const [text, bytes] = line.split(' ');
    socket.send(text.padEnd(Number(bytes)), 7, '${LinkedHosts.addresses.b}', () => console.log('sent'));
  });`;
const ECHO = `
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (data, { port, address }) => socket.send(data, port, address));
  socket.bind(7, () => console.log('ready'));`;

describe.skipIf(needs.namespaces() || needs('python3'))('a link between two hosts', () => {
  let hosts: LinkedHosts;
  const started: ChildProcessWithoutNullStreams[] = [];
  let probe: ChildProcessWithoutNullStreams;
  let came: AsyncIterator<string>;

  async function start(host: 'a' | 'b', program: string): Promise<AsyncIterator<string>> {
    const [command, ...args] = [...hosts.on(host).wrapper, process.execPath, '-e', program];
    const child = spawn(command, args);
    started.push(child);
    if (host === 'a') probe = child;
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    expect(await lines.next()).toMatchObject({ value: 'ready' });
    return lines;
  }

  beforeAll(async () => {
    hosts = await LinkedHosts.open();
    await start('b', ECHO);
    came = await start('a', PROBE);
  });
  afterAll(async () => {
    for (const child of started) {
      const gone = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    await hosts[Symbol.asyncDispose]();
  });
  beforeEach(() => hosts.link.become({}));

  const next = async (): Promise<unknown> => (await came.next()).value;
  async function send(text: string, bytes = 20): Promise<void> {
    probe.stdin.write(`${text} ${bytes}\n`);
    expect(await next()).toBe('sent');
  }
  async function sendAndGet(text: string, bytes?: number): Promise<unknown> {
    await send(text, bytes);
    return await next();
  }

  test('delays what goes each way', async () => {
    expect(await sendAndGet('neighbour')).toBe('neighbour');
    await hosts.link.become({ delayMs: 30 });
    const begun = performance.now();
    expect(await sendAndGet('delayed')).toBe('delayed');
    // A little less for clocks that round.
    expect(performance.now() - begun).toBeGreaterThan(55);
  });

  test.each([
    ['loss of all', { loss: 1 }],
    ['a cut', { cut: true }],
    ['a largest packet', { mtu: 500 }],
  ] as const)('drops by %s', async (_, weather) => {
    await hosts.link.become(weather, 'first');
    await send('dropped', 1_000);
    await hosts.link.become({});
    expect(await sendAndGet('after')).toBe('after');
  });

  test('lets smaller packets than the largest through', async () => {
    await hosts.link.become({ mtu: 500 });
    expect(await sendAndGet('small', 400)).toBe('small');
  });

  test('has a rate', async () => {
    await hosts.link.become({ mbit: 1, queueMs: 1_000 }, 'first');
    const begun = performance.now();
    for (let n = 0; n < 10; n++) probe.stdin.write(`paced-${n} 1250\n`);
    const lines = [];
    while (lines.length < 20) lines.push(await next());
    expect(lines.filter((line) => line !== 'sent')).toEqual(
      Array.from({ length: 10 }, (_, n) => `paced-${n}`),
    );
    // Ten packets of 10 ms each.
    expect(performance.now() - begun).toBeGreaterThan(90);
  });

  // The last one, as later frames would wait for the one that takes a minute.
  test('lets frames overtake others', async () => {
    await hosts.link.become({ delayMs: 60_000 }, 'first');
    await send('early');
    await hosts.link.become({ delayMs: 60_000, reorder: 1 }, 'first');
    expect(await sendAndGet('late')).toBe('late');
  });
});
