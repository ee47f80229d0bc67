/*
 * Echo round trips a second and connections a second of our TCP service, of plain node:net, and of Python's
 * socketserver.ThreadingTCPServer, in turn in one run; each server in a process of its own, one client for all:
 *
 *   npm run build && node bench/echo.ts [--rounds 15] [--seconds 0.5] [--clients 32] [--bytes 64]
 *
 * Prints the median rate of each, and the median of our ratios to the others: each ratio is of one round, whose
 * measurements follow one another at once, so that what else the machine does weighs on both.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    seconds: { type: 'string', default: '0.5' },
    clients: { type: 'string', default: '32' },
    bytes: { type: 'string', default: '64' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const clients = Number(values.clients);
const payload = Buffer.alloc(Number(values.bytes), 'x');

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const SERVERS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  filer: [process.execPath, file('echo-server.ts'), 'filer'],
  'node:net': [process.execPath, file('echo-server.ts'), 'net'],
  'python3 socketserver': ['python3', file('echo_server.py')],
};

async function opened(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** One message there and back, again and again. */
function echoes(socket: Socket, isOver: () => boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    let done = 0;
    let received = 0;
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      received += bytes.length;
      if (received < payload.length) return;
      received = 0;
      done++;
      if (isOver()) resolve(done);
      else socket.write(payload);
    });
    socket.write(payload);
  });
}

async function roundTrips(port: number): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: clients }, () => opened(port)));
  const began = performance.now();
  const isOver = (): boolean => performance.now() - began > seconds * 1000;
  const done = await Promise.all(sockets.map((socket) => echoes(socket, isOver)));
  const rate = sum(done) / ((performance.now() - began) / 1000);
  for (const socket of sockets) socket.destroy();
  return rate;
}

/** Connect, one message there and back, end, and wait for the other side's end. */
async function connections(port: number): Promise<number> {
  const began = performance.now();
  const isOver = (): boolean => performance.now() - began > seconds * 1000;
  const done = await Promise.all(
    Array.from({ length: clients }, async () => {
      let count = 0;
      for (; !isOver(); count++) {
        const socket = await opened(port);
        await echoes(socket, () => true);
        socket.end();
        await once(socket, 'close');
      }
      return count;
    }),
  );
  return sum(done) / ((performance.now() - began) / 1000);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;

const running: ChildProcess[] = [];
const ports = new Map<string, number>();
for (const [name, [command, ...args]] of Object.entries(SERVERS)) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  ports.set(name, Number(line));
}

for (const [what, measure] of [
  ['round trips', roundTrips],
  ['connections', connections],
] as const) {
  const rates = new Map([...ports.keys()].map((name) => [name, [] as number[]]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, port] of ports) {
      const rate = await measure(port);
      if (round < 0) continue; // the first warms up
      rates.get(name)?.push(rate);
    }
  }
  const ours = rates.get('filer') ?? [];
  for (const [name, all] of rates) {
    const ratio = median(all.map((rate, round) => (ours[round] ?? NaN) / rate)).toFixed(2);
    console.log(
      `${what}/s: ${Math.round(median(all))} ${name}${name === 'filer' ? '' : `, ours is ${ratio} of it`}`,
    );
  }
}
for (const child of running) child.kill();
