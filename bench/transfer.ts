/*
 * A file between two client daemons on loopback through the real commands, in turn with a bare Node loop that does
 * the same work (bare-loop.ts). Prints MB/s (10^6), peak memory of the three processes, and the ratio.
 *
 *   npm run build && node bench/transfer.ts [--size 2147483648] [--rounds 5]
 *
 * The synced, verified, receipted transfer counts from the start of `filer-client send` to its end.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text as readAll } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    size: { type: 'string', default: String(2 * 1024 ** 3) },
    rounds: { type: 'string', default: '5' },
  },
});
const size = Number(values.size);
const rounds = Number(values.rounds);

const folder = await mkdtemp(join(tmpdir(), 'filer-bench-'));
const daemons: ChildProcess[] = [];

function program(name: 'ip-server' | 'filer-client', args: readonly string[], home: string): ChildProcess {
  const env = { ...process.env, IP_SERVER_HOME: join(folder, home), FILER_HOME: join(folder, home) };
  return spawn(process.execPath, [join(root, 'apps', name, 'bin', `${name}.js`), ...args], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}

async function run(
  name: 'ip-server' | 'filer-client',
  args: readonly string[],
  home: string,
  input = '',
): Promise<string> {
  const child = program(name, [...args, '--quiet'], home);
  if (child.stdin === null || child.stdout === null) throw new Error('the streams are piped');
  child.stdin.end(input);
  const [output, code] = await Promise.all([readAll(child.stdout), exitCode(child)]);
  if (code !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${code}`);
  return output;
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  await once(child, 'close');
  return child.exitCode;
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the output is piped');
  const lines = createInterface({ input: child.stdout });
  const args: unknown[] = await once(lines, 'line');
  child.stdout.resume();
  return String(args[0]);
}

async function daemon(
  name: 'ip-server' | 'filer-client',
  args: readonly string[],
  home: string,
): Promise<ChildProcess> {
  const child = program(name, ['start', ...args, '--log-level', 'error', '--quiet'], home);
  daemons.push(child);
  await firstLine(child);
  return child;
}

async function makeFile(path: string): Promise<void> {
  const handle = await open(path, 'wx');
  for (let left = size; left > 0; left -= 1024 * 1024)
    await handle.write(randomBytes(Math.min(left, 1024 * 1024)));
  await handle.close();
}

/** Highest resident memory so far, in MB. */
function peakMb(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return (Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024) / 1e6;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

async function bareLoop(source: string): Promise<void> {
  const script = join(root, 'bench/bare-loop.ts');
  const port = String(20_000 + Math.floor(Math.random() * 10_000));
  const [cert, key] = [join(folder, 'alice/cert.pem'), join(folder, 'alice/key.pem')];
  const options = { stdio: ['ignore', 'pipe', 'inherit'] as ['ignore', 'pipe', 'inherit'] };
  const sender = spawn(process.execPath, [script, 'send', source, port, cert, key], options);
  await firstLine(sender);
  const receiver = spawn(process.execPath, [script, 'receive', join(folder, 'bare'), port], options);
  await once(receiver, 'close');
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

try {
  await daemon('ip-server', ['--host', '127.0.0.1', '--port', '0'], 'server');
  const link = await run('ip-server', ['invite', '--uses', '2'], 'server');
  const clients: ChildProcess[] = [];
  for (const name of ['alice', 'bob']) {
    await run('filer-client', ['join', '-', '--name', name], name, link);
    clients.push(await daemon('filer-client', ['--listen', '127.0.0.1:0'], name));
  }
  const [alice, bob] = clients;
  if (alice === undefined || bob === undefined) throw new Error('two clients run');
  const source = join(folder, 'source.bin');
  await makeFile(source);
  await run('filer-client', ['send', join(root, 'package.json'), '--to', 'bob'], 'alice');

  console.log(`node ${process.version}, ${size} bytes, ${rounds} rounds in turn; a first round warms up`);
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const send = await timed(() => run('filer-client', ['send', source, '--to', 'bob'], 'alice'));
    rmSync(join(folder, 'bob/inbox/alice/source.bin'));
    const loop = await timed(() => bareLoop(source));
    rmSync(join(folder, 'bare'));
    if (round === 0) continue;
    ours.push(size / 1e6 / send);
    bare.push(size / 1e6 / loop);
    console.log(`  filer ${ours.at(-1)?.toFixed(0)} MB/s   bare loop ${bare.at(-1)?.toFixed(0)} MB/s`);
  }
  const ratio = median(ours.map((rate, index) => rate / (bare[index] ?? Number.NaN)));
  console.log(`filer-client send   ${median(ours).toFixed(0)} MB/s (median), synced, verified, receipted`);
  console.log(`bare Node loop      ${median(bare).toFixed(0)} MB/s (median), node bench/bare-loop.ts`);
  console.log(`ratio               ${ratio.toFixed(2)} (median of the pairs)`);
  console.log(
    `peak memory         sender ${peakMb(alice).toFixed(0)} MB, receiver ${peakMb(bob).toFixed(0)} MB`,
  );

  const one = join(folder, 'one');
  const handle = await open(one, 'wx');
  await handle.write('1');
  await handle.close();
  const small: number[] = [];
  for (let round = 0; round < 9; round++)
    small.push(await timed(() => run('filer-client', ['send', one, '--to', 'bob'], 'alice')));
  console.log(
    `1 byte through a running daemon   ${(median(small) * 1000).toFixed(0)} ms (median of 9, whole command)`,
  );
  const help: number[] = [];
  for (let round = 0; round < 9; round++)
    help.push(await timed(() => run('filer-client', ['--help'], 'alice')));
  console.log(`filer-client --help               ${(median(help) * 1000).toFixed(0)} ms (median of 9)`);
} finally {
  for (const child of daemons.reverse()) {
    if (child.exitCode !== null) continue;
    const exited = once(child, 'exit');
    child.kill();
    await exited;
  }
  await rm(folder, { recursive: true });
}
