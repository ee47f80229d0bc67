/*
 * How fast frames are laid out and read, in memory, by the built library: `npm run build`, then
 *
 *   node bench/frame.ts [SECONDS]
 *
 * Node 26 strips the types itself. Each figure is the best of its runs, each of SECONDS (default 0.5).
 */
import { randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { FrameDecoder, encodeFrame, type Header } from '@filer/protocol';

const RUNS = 5;
const MiB = 1024 * 1024;
const runMs = Number(process.argv[2] ?? 0.5) * 1000;

const HEADERS: Readonly<Record<string, Header>> = {
  ping: { type: 'ping' },
  stored: { type: 'stored', re: '17', spool: '0123456789abcdef0123456789abcdef', seq: '12' },
  heartbeat: {
    type: 'heartbeat',
    uptimeMs: '86400000',
    loadHundredths: '42',
    memoryTotalBytes: '16777216000',
    memoryFreeBytes: '5000000000',
    inboxFreeBytes: '77777777777',
    transfers: '0',
    spooled: '2',
  },
  'escaped text': { type: 'error', code: 'refused', message: 'a "quoted" word, and an \u00e9' },
};

/** The best of some runs. @param work returns how much it did */
function best(work: () => number): number {
  let fastest = 0;
  for (let run = 0; run < RUNS; run++) {
    let done = 0;
    const began = performance.now();
    while (performance.now() - began < runMs / RUNS) done += work();
    fastest = Math.max(fastest, done / ((performance.now() - began) / 1000));
  }
  return fastest;
}

/** Full pieces, as a socket under load gives them. */
function pieces(stream: Buffer, pieceBytes: number): Buffer[] {
  const count = Math.ceil(stream.length / pieceBytes);
  return Array.from({ length: count }, (_, index) => {
    return stream.subarray(index * pieceBytes, (index + 1) * pieceBytes);
  });
}

function decodeAll(stream: readonly Buffer[]): number {
  const decoder = new FrameDecoder();
  let messages = 0;
  for (const piece of stream) decoder.push(piece, () => messages++);
  return messages;
}

function line(what: string, ...figures: string[]): void {
  console.log([what.padEnd(34), ...figures.map((figure) => figure.padStart(22))].join(''));
}

const perSecond = (value: number): string => `${Math.round(value).toLocaleString('en')} /s`;
const speed = (bytes: number): string => `${Math.round(bytes / MiB).toLocaleString('en')} MiB/s`;

console.log(`${process.execPath} bench/frame.ts ${process.argv.slice(2).join(' ')}`.trim());
console.log(`node ${process.version}, ${cpus()[0]?.model.trim() ?? 'unknown processor'}\n`);

line('small messages, 64 KiB pieces', 'encode', 'decode');
for (const [name, header] of Object.entries(HEADERS)) {
  const frame = encodeFrame(header);
  const count = Math.ceil((256 * 1024) / frame.length);
  const stream = pieces(Buffer.concat(Array.from({ length: count }, () => frame)), 64 * 1024);
  const encoded = best(() => {
    for (let index = 0; index < count; index++) encodeFrame(header);
    return count;
  });
  line(`${name}, ${frame.length} bytes`, perSecond(encoded), perSecond(best(() => decodeAll(stream))));
}

console.log();
line('contents of 1 MiB', 'encode (copies)', 'decode');
const content = randomBytes(MiB);
const header = { type: 'chunk', entry: '0', offset: '0' };
const encoded = best(() => encodeFrame(header, content).length);
const frames = Buffer.concat(Array.from({ length: 16 }, () => encodeFrame(header, content)));
for (const pieceBytes of [64 * 1024, 16 * 1024, 1_400]) {
  const stream = pieces(frames, pieceBytes);
  const decoder = new FrameDecoder();
  const decoded = best(() => {
    for (const piece of stream) decoder.push(piece, (message) => decoder.recycle(message.content));
    return frames.length;
  });
  line(`pieces of ${pieceBytes} bytes`, speed(encoded), speed(decoded));
}
