import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import {
  FilerError,
  formatDirectory,
  listen,
  loadIdentity,
  Messenger,
  readHello,
  Session,
  UNAUTHENTICATED_OPTIONS,
  type AcceptedLink,
} from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runHere } from '../support/in-process.ts';
import { EvilPeer } from '../support/evil-peer.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { DaemonProcess, jsonLines } from '../support/programs.ts';

/*
 * Commands of anna with a --timeout end in time, whatever the server, the peer or the own daemon does. A command that does
 * not is ended by the time-out of its test.
 */

let network: NetworkHere;
let bob: ClientHere;
let bobPort: number;
let file: string;
let job: string;

beforeAll(async () => {
  network = await NetworkHere.open();
  bob = await network.add('bob');
  bobPort = bob.port;
  const anna = await network.add('anna');
  const share = join(network.folder, 'share');
  file = join(share, 'file');
  await mkdir(share);
  await writeFile(file, 'content');
  await bob.run('share', 'add', share);
  await anna.sees('bob');
  const sent = jsonLines(await anna.run('send', file, '--to', 'bob', '--json'));
  job = String(sent.at(-1)?.['job']);
  await anna[Symbol.asyncDispose]();
});
afterAll(async () => network[Symbol.asyncDispose]());

/** Each command that asks another machine. */
const commands: Readonly<Record<string, () => string[]>> = {
  send: () => ['send', file, '--to', 'bob'],
  'send -': () => ['send', '-', '--as', 'x', '--to', 'bob'],
  get: () => ['get', 'bob:share/file', join(network.folder, 'got')],
  'get -': () => ['get', 'bob:share/file', '-'],
  ls: () => ['ls', 'bob:share'],
  verify: () => ['verify', job, '--ask'],
  message: () => ['message', 'bob', 'text'],
  group: () => ['message', '@all', 'text'],
  broadcast: () => ['broadcast', 'text'],
};
const all = Object.keys(commands);

/** Those that ask the server only. */
const ofServer: Record<string, () => string[]> = {
  peers: () => ['peers'],
  report: () => ['report', 'n=1'],
};

/** Runs all at once, or those named. @returns the exit code of each */
async function runAll(limit: string, names = all): Promise<Record<string, number | null>> {
  const codes = await Promise.all(
    names.map(async (name) => {
      const args = [...({ ...commands, ...ofServer }[name]?.() ?? []), '--timeout', limit];
      const { code } = await runHere('filer-client', network.home('anna'), args, 'input');

      return [name, code] as const;
    }),
  );
  return Object.fromEntries(codes);
}

function allAre(code: number, names = all): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, code]));
}

/** A listener at a port that keeps others waiting. */
type Place = (port: number, home: string) => Promise<AsyncDisposable>;

const LISTENER = `require('node:net').createServer().listen(Number(process.argv[1]), '127.0.0.1', 1, () => console.log('ready'))`;

/** Its backlog is full: a connection is not even accepted. */
const acceptsNone: Place = async (port) => {
  const child = spawn(process.execPath, ['-e', LISTENER, String(port)]);
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  const fill = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of fill) socket.destroy();
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
};

/** The TLS handshake stays half done. */
const isSilent: Place = async (port) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};

/** Proves who it is, and then does this. */
function authenticated(does: (link: AcceptedLink) => void): Place {
  return async (port, home) => {
    const identity = await loadIdentity(home);
    if (identity === undefined) throw new Error('it has joined');
    const listener = await listen(
      { transport: 'tls', host: '127.0.0.1', port, identity },
      { onConnection: (link) => does(link) },
    );
    return { [Symbol.asyncDispose]: () => listener.close() };
  };
}

const saysNothing = authenticated(({ socket }) => void socket.on('error', () => undefined).resume());

/** A byte now and then of a message that never is whole. */
const drips = authenticated(({ socket }) => {
  socket.on('error', () => undefined).resume();
  socket.write(Buffer.from([0, 0, 0xff, 0, 0, 0, 0, 0]));
  const timer = setInterval(() => socket.write('x'), 20);
  socket.once('close', () => clearInterval(timer));
});

/** A server whose directory has another page forever. */
async function pages({ socket, peerId }: AcceptedLink): Promise<void> {
  const messenger = new Messenger(socket, { ...UNAUTHENTICATED_OPTIONS, peerId });
  try {
    const { hello, version, welcome } = await readHello(messenger);
    const { network: id, removals } = hello;
    await welcome({
      version,
      features: [],
      network: id,
      removals,
      software: '0',
      epoch: 'other',
      seq: 1_000_000,
    });
    const session = new Session(messenger, ({ header }) => {
      const from = Number(header['seq']);
      return formatDirectory(
        { epoch: 'other', from, seq: from + 1, more: true, time: Date.now() },
        Buffer.alloc(0),
      );
    });
    await session.closed;
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
  }
}

const places: [string, Place][] = [
  ['accepts no connection', acceptsNone],
  ['says nothing before TLS stands', isSilent],
  ['says nothing after the handshake', saysNothing],
  ['drips', drips],
];

describe('a server that keeps a command without a daemon waiting is away: the directory on disk serves', () => {
  const endless = authenticated((link) => void pages(link));
  const rows = [...places.filter(([, place]) => place !== drips), ['pages forever', endless] as const];

  test.each(rows)('%s', async (_, place) => {
    await network.stopServer();
    {
      await using _there = await place(network.port, network.serverHome);
      expect(await runAll('5s')).toEqual(allAre(0));
      const names = Object.keys(ofServer);
      expect(await runAll('1s', names)).toEqual(allAre(0, names));
    }
    await network.startServer();
  });
});

describe('a server that keeps those waiting who can do nothing without it ends them with exit 9', () => {
  test.each(places)('%s', async (_, place) => {
    const link = await network.invite();
    await network.stopServer();
    {
      await using _there = await place(network.port, network.serverHome);
      const run = async (name: string, ...args: string[]): Promise<number | null> =>
        (await runHere('filer-client', network.home(name), [...args, '--timeout', '1s'], link)).code;
      expect(
        await Promise.all([
          run('new', 'join', '-', '--name', 'new'),
          run('anna', 'server', `127.0.0.1:${network.port}`),
        ]),
      ).toEqual([9, 9]);
    }
    await network.startServer();
  });
});

describe('a peer that keeps a command waiting ends it with exit 9', () => {
  beforeAll(async () => bob[Symbol.asyncDispose]());
  const direct = all.filter((name) => !['group', 'broadcast'].includes(name));

  test.each(places)('%s', async (_, place) => {
    await using _there = await place(bobPort, network.home('bob'));
    expect(await runAll('1s', direct)).toEqual(allAre(9, direct));
  });

  test('says nothing after the welcome', async () => {
    await using evil = await EvilPeer.open(network.home('bob'), bobPort);
    evil.does = async ({ hand }) => void (await hand.hear('never'));
    expect(await runAll('1s', direct)).toEqual(allAre(9, direct));
  });

  test('answers without an end', async () => {
    await using evil = await EvilPeer.open(network.home('bob'), bobPort);
    evil.does = async ({ hand }) => {
      const asked = await hand.hear('list', 'holding');
      const re = asked?.header['id'] ?? '';
      const isList = asked?.header['type'] === 'list';
      const item = { name: 'name', kind: 'dir', size: 0, mtimeNs: '0' };
      for (;;) {
        await hand.say({ type: isList ? 'listing' : 'held', re, more: '1' }, isList ? [item] : []);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    // What came of the listing in time is shown.
    expect(await runAll('1s', ['ls', 'verify'])).toEqual({ ls: 8, verify: 9 });
  });
});

test('the own daemon that hangs ends each command with exit 9', async () => {
  const args = ['--listen', '127.0.0.1:0'];
  const daemon = await DaemonProcess.start('filer-client', args, network.home('anna'));
  daemon.child.kill('SIGSTOP');
  try {
    const asked = all.filter((name) => !['send -', 'get -'].includes(name));
    expect(await runAll('1s', asked)).toEqual(allAre(9, asked));
  } finally {
    daemon.child.kill('SIGCONT');
    await daemon.stop('SIGKILL');
  }
});

test('a machine has left when its time is over, whatever the server and its peers do', async () => {
  const [dora, eva] = [await network.add('dora'), await network.add('eva')];
  await dora.sees('eva');
  await Promise.all([dora[Symbol.asyncDispose](), eva[Symbol.asyncDispose]()]);
  await network.stopServer();
  await using _server = await isSilent(network.port, network.serverHome);
  await using _peer = await isSilent(eva.port, eva.home);
  const args = ['leave', '--yes', '--json', '--timeout', '1s'];
  const outcome = await runHere('filer-client', dora.home, args);
  expect(outcome).toMatchObject({ code: 0 });
  expect(jsonLines(outcome)).toMatchObject([{ name: 'dora', told: false }]);
});
