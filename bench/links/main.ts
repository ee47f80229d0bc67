/*
 * One file between two hosts over a link that is long, slow, or loses or reorders packets, in turn with what users would take
 * instead, in the same run: one stream of iperf3, eight of them, one plain TLS stream (Node, file to file), rsync over ssh.
 *
 *   npm run build && node bench/links/main.ts [--rungs lan,slow,…] [--rounds 3] [--cc cubic] [--mb N]
 *                                                                         [--with filer,…]
 *
 *   lan        a cable of 1 Gbit/s (`tc tbf`)
 *   slow       20 Mbit/s
 *   far        200 Mbit/s, 100 ms
 *   lossy      200 Mbit/s, 1 % loss
 *   far-lossy  200 Mbit/s, 100 ms and 1 % loss
 *   reorder    200 Mbit/s, 20 ms, 2 % of the packets overtake others
 *
 * Where the kernel lets no namespace choose it, `sysctl -w net.ipv4.tcp_allowed_congestion_control='reno cubic'` allows cubic.
 * It needs root, `ip`, `tc`, python3, iperf3, rsync, ssh and sshd. The hosts are namespaces; all but the first link are
 * test/support/link.py. Each counts from the start of its command to its end; iperf3 sends as many bytes. Medians of rounds in turn. The
 * ratio is the median of those of the rounds: above 1 filer is faster.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LinkedHosts, type Weather } from '../../test/support/link.ts';
import { largeFile } from '../transfer/sources.ts';
import { run } from '../transfer/stage.ts';
import { contendersOn, type Carry } from './contenders.ts';

const MB = 1_000_000;

interface Rung {
  readonly weather: Weather;
  readonly bytes: number;
  /** A bound of the interface itself, instead of one of the link. */
  readonly tbf?: string;
}

const RUNGS: Readonly<Record<string, Rung>> = {
  lan: { weather: {}, bytes: 1_000 * MB, tbf: '1gbit' },
  slow: { weather: { mbit: 20 }, bytes: 25 * MB },
  far: { weather: { mbit: 200, delayMs: 50, queueMs: 100 }, bytes: 400 * MB },
  lossy: { weather: { mbit: 200, loss: 0.01 }, bytes: 200 * MB },
  'far-lossy': { weather: { mbit: 200, delayMs: 50, loss: 0.01 }, bytes: 25 * MB },
  reorder: { weather: { mbit: 200, delayMs: 10, reorder: 0.02 }, bytes: 100 * MB },
};

const { values } = parseArgs({
  options: {
    rungs: { type: 'string', default: Object.keys(RUNGS).join() },
    rounds: { type: 'string', default: '3' },
    cc: { type: 'string', default: 'cubic' },
    mb: { type: 'string' },
    with: { type: 'string', default: '' },
  },
});
const rounds = Number(values.rounds);

console.log(`node ${process.version}, congestion control ${values.cc}, ${rounds} rounds in turn`);
for (const name of values.rungs.split(',')) {
  const rung = RUNGS[name];
  if (rung === undefined) throw new Error(`there is no rung ${name}`);
  const bytes = values.mb === undefined ? rung.bytes : Number(values.mb) * MB;
  await climb(name, { ...rung, bytes });
}

async function climb(name: string, { weather, bytes, tbf }: Rung): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'filer-links-'));
  try {
    await using hosts = await LinkedHosts.open(weather, tbf === undefined ? 'forwarder' : 'cable');
    for (const host of ['a', 'b'] as const) {
      const on = ['netns', 'exec', hosts.host(host)];
      await run('ip', [...on, 'sysctl', '-qw', `net.ipv4.tcp_congestion_control=${values.cc}`]);
      if (tbf !== undefined)
        await run('ip', [
          ...on,
          ...`tc qdisc add dev wan root tbf rate ${tbf} burst 1mb latency 20ms`.split(' '),
        ]);
    }
    const source = await largeFile(join(folder, 'source'), bytes);
    await using contenders = await contendersOn(hosts, folder);
    console.log(`\n${name}: ${bytes / MB} MB`);
    report(await race(contenders.all, source, bytes), bytes);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns seconds of each, in each round */
async function race(
  contenders: Readonly<Record<string, Carry>>,
  source: string,
  bytes: number,
): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>();
  const chosen = values.with.split(',').filter((each) => each !== '');
  const isChosen = ([name]: readonly [string, Carry]): boolean =>
    chosen.length === 0 || chosen.some((each) => name.startsWith(each));
  for (let round = 0; round < rounds; round++)
    for (const [name, carry] of Object.entries(contenders).filter(isChosen)) {
      const begun = performance.now();
      const seconds = (await carry(source, bytes, String(round))) ?? (performance.now() - begun) / 1_000;
      times.set(name, [...(times.get(name) ?? []), seconds]);
    }
  return times;
}

function report(times: ReadonlyMap<string, readonly number[]>, bytes: number): void {
  const [ours = []] = times.values();
  console.log('                        Mbit/s      s   filer is so many times as fast');
  for (const [name, seconds] of times) {
    const rate = ((bytes * 8) / median(seconds) / 1e6).toFixed(1).padStart(8);
    const ratio = median(seconds.map((each, n) => each / (ours[n] ?? NaN))).toFixed(2);
    console.log(`${name.padEnd(22)}${rate} ${median(seconds).toFixed(1).padStart(6)}   ${ratio}`);
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
