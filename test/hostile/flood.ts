/*
 * One attacker as a process of its own: `node test/hostile/flood.ts KIND '{"host","port","server","home","network","count","ms"}'`.
 * It ends by itself. `home` is that of a client that has joined, for the attacks of a member.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import {
  createIdentity,
  dial,
  encodeFrame,
  loadIdentity,
  parseMembership,
  sayHello,
  unauthenticatedMessenger,
  type Identity,
  type Messenger,
} from '@filer/protocol';
import { clientHello, connectBare, type BareTls } from './key-updates.ts';

interface Target {
  readonly host: string;
  readonly port: number;
  /** The id of the listener. */
  readonly id: string;
  readonly network: string;
  /** A member's home. */
  readonly home: string;
  readonly count: number;
  readonly ms: number;
  /** Ends it after so many connections. @default after `ms` only */
  readonly tries?: number;
}

const [kind = '', text = '{}'] = process.argv.slice(2);
const target = JSON.parse(text) as Target;
const until = performance.now() + target.ms;
const over = (): boolean => performance.now() >= until || tried >= (target.tries ?? Infinity);

/** Connections that were tried, and frames that were written, whether they were taken or not. */
let [tried, frames] = [0, 0];

async function greet(messenger: Messenger, hello: object): Promise<void> {
  await sayHello(messenger, {
    versions: [1],
    features: [],
    role: 'command',
    network: target.network,
    removals: 0,
    purpose: 'session',
    subscribe: false,
    software: 'evil',
    schedules: [],
    ...hello,
  } as never);
}

/** Opens a connection and says hello, as often as it is thrown out. */
async function keep(
  identity: Identity,
  hello: object,
  act: (messenger: Messenger) => Promise<void>,
): Promise<void> {
  while (!over()) {
    try {
      tried++;
      const { host, port, id } = target;
      const link = await dial({ transport: 'tls', host, port, identity, expect: id });
      const messenger = unauthenticatedMessenger(link);
      await greet(messenger, hello);
      messenger.socket.pause();
      await act(messenger);
      messenger.destroy();
    } catch {
      await wait(10);
    }
  }
}

/** Writes one frame again and again, as fast as the socket takes it, and reads nothing. */
function pour(frame: Buffer): (messenger: Messenger) => Promise<void> {
  const perBlock = Math.max(1, Math.floor(65_536 / frame.length));
  const block = Buffer.concat(Array.from({ length: perBlock }, () => frame));
  return async ({ socket }) => {
    while (!over() && !socket.destroyed) {
      frames += perBlock;
      if (!socket.write(block)) await drained(socket);
      else await wait(0);
    }
  };
}

/** Resolves when the socket takes more, is closed, or after a while: a victim that stops reading is given up then. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      socket.off('drain', done).off('close', done);
      resolve();
    };
    const timer = setTimeout(done, 200);
    socket.once('drain', done).once('close', done);
  });
}

/** So much of a frame as makes the other side set memory aside, and then silence. */
const part: (messenger: Messenger) => Promise<void> = async ({ socket }) => {
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32BE(2, 0);
  prefix.writeUInt32BE(512 * 1024, 4);
  frames++;
  socket.write(Buffer.concat([prefix, Buffer.from('{}'), Buffer.alloc(500 * 1024)]));
  while (!over() && !socket.destroyed) await wait(50);
};

/** A thousand files that are taken, written and digested, and then are not what their sender says. */
const offer: (messenger: Messenger) => Promise<void> = async (messenger) => {
  const say = (header: Record<string, string>, content: unknown = []): Promise<void> => {
    frames++;
    return messenger.send(header, Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content)));
  };
  const hear = async (...types: string[]): Promise<string> => {
    for (;;) {
      const next = await messenger[Symbol.asyncIterator]().next();
      if (next.done === true) throw new Error('it was ended');
      const { type = '' } = next.value.header;
      if (types.includes(type)) return type;
    }
  };
  messenger.socket.resume();
  const [files, size] = [1_000, 200_000];
  const totals = { complete: '1', files: String(files), bytes: String(files * size) };
  await say(
    { type: 'offer', id: 'o', job: randomBytes(8).toString('hex'), ...totals },
    { names: ['x'], note: '' },
  );
  if ((await hear('answer', 'error')) === 'error') return;
  const entries = Array.from({ length: files }, (_, n) => {
    return { path: `x/${n}`, kind: 'file', size, mtimeNs: '0', mode: 0o644 };
  });
  await say({ type: 'entries', id: 'e', first: '0', last: '1' }, entries);
  await hear('entries-answer');
  const wrong = `blake3:${'0'.repeat(64)}`;
  for (let entry = 0; entry < files && !over() && messenger.open; entry++) {
    const of = { entry: String(entry) };
    await say({ type: 'file', ...of, size: String(size), mtimeNs: '0', mode: '420' }, Buffer.alloc(0));
    await say({ type: 'chunk', ...of, offset: '0' }, Buffer.alloc(size));
    await say({ type: 'end', ...of, size: String(size), digest: wrong, blocks: wrong }, Buffer.alloc(0));
    await hear('failed');
  }
};

function member(): { identity: Promise<Identity>; hello: object } {
  const file = JSON.parse(readFileSync(join(target.home, 'membership.json'), 'utf8')) as {
    membership: unknown;
  };
  const identity = loadIdentity(target.home).then((loaded) => {
    if (loaded === undefined) throw new Error('no identity');
    return loaded;
  });
  return { identity, hello: { membership: parseMembership(file.membership) } };
}

/** Plain sockets on which this happens, opened again as often as they are thrown out. */
function raw(act: (socket: Socket) => void): Promise<unknown> {
  return times(async () => {
    while (!over()) {
      tried++;
      const socket = connect(target.port, target.host).on('error', () => undefined);
      socket.once('connect', () => act(socket));
      await Promise.race([
        new Promise((resolve) => socket.once('close', resolve)),
        wait(Math.max(0, until - performance.now())),
      ]);
      socket.destroy();
    }
  });
}

function times(work: () => Promise<void>): Promise<void[]> {
  return Promise.all(Array.from({ length: target.count }, work));
}

function asMember(act: (messenger: Messenger) => Promise<void>, more: object = {}): () => Promise<unknown> {
  return async () => {
    const { identity, hello } = member();
    const known = await identity;
    return times(() => keep(known, { ...hello, ...more }, act));
  };
}

const big = Buffer.alloc(60_000, '[');
const attacks: Readonly<Record<string, () => Promise<unknown>>> = {
  joiners: () =>
    times(async () =>
      keep(
        await createIdentity(),
        { role: 'join' },
        pour(encodeFrame({ type: 'enrol', id: '1', name: 'x' }, big)),
      ),
    ),
  headers: () =>
    times(async () =>
      keep(
        await createIdentity(),
        { role: 'join' },
        pour(encodeFrame({ type: 'x', id: '1', long: 'y'.repeat(60_000) })),
      ),
    ),
  silent: () => raw(() => undefined),
  /** A ClientHello byte by byte, slower than it takes to be thrown out. */
  drips: async () => {
    const hello = await clientHello();
    return raw((socket) => {
      let at = 0;
      const timer = setInterval(() => void socket.write(hello.subarray(at, ++at)), 100);
      socket.once('close', () => clearInterval(timer));
    });
  },
  /** A whole ClientHello, and no word more. */
  halves: async () => {
    const hello = await clientHello();
    return raw((socket) => void socket.write(hello));
  },
  keys: () =>
    times(async () => {
      const identity = await createIdentity();
      while (!over()) {
        tried++;
        const bare = await connectBare(target.port, target.host, identity).catch(() => undefined);
        if (bare === undefined) {
          await wait(10);
          continue;
        }
        const { raw: socket } = bare;
        while (!over() && socket.writable) {
          frames += 50;
          const written = socket.write(Buffer.concat(Array.from({ length: 50 }, () => bare.keyUpdate(true))));
          await (written ? wait(0) : drained(socket));
        }
        socket.destroy();
      }
    }),
  /** All change their keys at the same moment, as often as fits what a kernel holds. */
  bursts: async () => {
    const identity = await createIdentity();
    while (!over()) {
      const opened = Array.from({ length: target.count }, () =>
        connectBare(target.port, target.host, identity).catch(() => undefined),
      );
      const all = (await Promise.all(opened)).filter((bare) => bare !== undefined);
      tried += target.count;
      const bursts = all.map((bare) => Array.from({ length: 2_400 }, () => bare.keyUpdate(true)));
      const ends = all.map(({ raw: socket }) => new Promise((resolve) => socket.once('close', resolve)));
      all.forEach(({ raw: socket }, at) => socket.write(Buffer.concat(bursts[at] ?? [])));
      frames += 2_400 * all.length;
      await Promise.race([Promise.all(ends), wait(1_000)]);
      for (const { raw: socket } of all) socket.destroy();
    }
  },
  /** The same of a member, on all the connections that it may have. */
  memberBursts: async () => {
    const { identity, hello } = member();
    const own = await identity;
    while (!over()) {
      const admitted: BareTls[] = [];
      const admit = async (): Promise<void> => {
        const bare = await connectBare(target.port, target.host, own);
        await greet(unauthenticatedMessenger({ socket: bare.tls, peerId: target.id }), hello);
        admitted.push(bare);
      };
      await Promise.all(Array.from({ length: target.count }, () => admit().catch(() => undefined)));
      tried += target.count;
      const bursts = admitted.map((bare) => Array.from({ length: 20_000 }, () => bare.keyUpdate(false)));
      admitted.forEach(({ raw: socket }, at) => socket.write(Buffer.concat(bursts[at] ?? [])));
      frames += 20_000 * admitted.length;
      await wait(1_000);
      for (const { raw: socket } of admitted) socket.destroy();
    }
  },
  handshakes: () =>
    times(async () => {
      const identity = await createIdentity();
      while (!over()) {
        try {
          tried++;
          const { host, port, id } = target;
          const { socket } = await dial({ transport: 'tls', host, port, identity, expect: id });
          socket.destroy();
        } catch {
          await wait(1);
        }
      }
    }),
  parts: asMember(part),
  connections: asMember(async (messenger) => {
    messenger.socket.resume();
    while (!over() && messenger.open) await Promise.race([messenger.closed, wait(100)]);
  }),
  directory: asMember(pour(encodeFrame({ type: 'directory-get', id: '1', epoch: 'x', seq: '0' }))),
  heartbeats: asMember(pour(encodeFrame({ type: 'heartbeat' }, Buffer.from('{}')))),
  unknown: asMember(pour(encodeFrame({ type: 'nothing', id: '1' }))),
  removals: asMember(pour(encodeFrame({ type: 'removals-get', id: '1', after: '0' }))),
  texts: asMember(pour(encodeFrame({ type: 'text', id: '1' }, Buffer.from('{"from":"x"}')))),
  lists: asMember(pour(encodeFrame({ type: 'list', id: '1', path: '' }))),
  holding: asMember(pour(encodeFrame({ type: 'holding', id: '1' }, Buffer.from('[]')))),
  offers: asMember(offer, { purpose: 'transfer' }),
  reports: asMember(
    pour(
      encodeFrame(
        { type: 'report', id: '1', spool: 'a'.repeat(32), seq: '1', kind: 'user', time: '1' },
        Buffer.from('{"title":"","values":[],"schedule":""}'),
      ),
    ),
  ),
};

const attack = attacks[kind];
if (attack === undefined) throw new Error(`no attack is called ${kind}`);
await attack();
process.stdout.write(JSON.stringify({ tried, frames }));
