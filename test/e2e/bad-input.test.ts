import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { parseInvite } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runHere } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import {
  DaemonProcess,
  jsonLines,
  ProgramProcess,
  type Outcome,
  type ProgramName,
} from '../support/programs.ts';
import { filesBelow, TestNetwork } from '../support/test-network.ts';

const run = promisify(execFile);

/** What the rows find: anna, bob, `frozen` and `nothing-taken` run, carol has joined, `gone` has stopped. */
interface Scene {
  readonly network: TestNetwork;
  readonly file: string;
  /** Links; those of `other` are of another network. */
  readonly invites: Readonly<Record<'good' | 'unknown' | 'expired' | 'usedUp' | 'revoked' | 'other', string>>;
  /** A port that is taken by a program that never says anything. */
  readonly silentPort: number;
}

/** One line of the table: what is typed where, what is said, and how it ends. */
interface Row {
  readonly what: string;
  readonly type: readonly string[] | ((scene: Scene) => readonly string[]);
  /** The home in which it is typed; `new` is a fresh one. @default 'carol' */
  readonly on?: string;
  /** @default 'filer-client' */
  readonly program?: ProgramName;
  readonly input?: (scene: Scene) => string;
  readonly env?: (scene: Scene) => Record<string, string>;
  /** The one line on standard error. */
  readonly says: RegExp;
  readonly exit: number;
  /** Standard output ends with an error of this code; null for a `send` whose job ran: with its `done`. */
  readonly code: string | null;
  readonly signal?: 'SIGINT' | 'SIGTERM';
  /** What the signal waits for. */
  readonly signalAfter?: (command: ProgramProcess) => Promise<unknown>;
}

const join: readonly string[] = ['join', '-', '--name', 'new'];

const rows: readonly Row[] = [
  // Invites
  {
    what: 'an invite that the server does not know',
    type: join,
    on: 'new',
    input: ({ invites }) => invites.unknown,
    says: /does not know the invite: ask for a new one/,
    exit: 6,
    code: 'invite-wrong',
  },
  {
    what: 'an expired invite',
    type: join,
    on: 'new',
    input: ({ invites }) => invites.expired,
    says: /expired: ask for a new one/,
    exit: 6,
    code: 'invite-expired',
  },
  {
    what: 'a used-up invite',
    type: join,
    on: 'new',
    input: ({ invites }) => invites.usedUp,
    says: /used as often as it may be: ask for a new one/,
    exit: 6,
    code: 'invite-used-up',
  },
  {
    what: 'a revoked invite',
    type: join,
    on: 'new',
    input: ({ invites }) => invites.revoked,
    says: /revoked: ask for a new one/,
    exit: 6,
    code: 'invite-revoked',
  },
  {
    what: 'an invite that was cut when it was copied',
    type: ['join', '-'],
    on: 'new',
    input: ({ invites }) => invites.good.slice(0, -20),
    says: /invite/,
    exit: 2,
    code: 'invite-malformed',
  },
  {
    what: 'a text that is no invite',
    type: ['join', 'https://example.com/'],
    on: 'new',
    says: /neither an invite link \(filer:\/\/…\) nor a file/,
    exit: 2,
    code: 'invite-malformed',
  },
  {
    what: 'no invite on standard input',
    type: ['join', '-'],
    on: 'new',
    says: /standard input has no invite/,
    exit: 2,
    code: 'usage',
  },
  {
    what: 'a name that is taken',
    type: ['join', '-', '--name', 'anna'],
    on: 'new',
    input: ({ invites }) => invites.good,
    says: /the name anna belongs to another machine: choose another one, "anna-2" is free/,
    exit: 6,
    code: 'name-taken',
  },
  {
    what: 'a name that cannot be one',
    type: ['join', '-', '--name', 'Anna Maria'],
    on: 'new',
    input: ({ invites }) => invites.good,
    says: /--name takes lower-case letters, digits and inner dashes.*"Anna Maria"/,
    exit: 2,
    code: 'usage',
  },
  {
    what: 'joining beside the running daemon',
    type: join,
    on: 'anna',
    input: ({ invites }) => invites.good,
    says: /in use by process [0-9]+.*a running daemon cannot join again/,
    exit: 1,
    code: 'already-running',
  },
  {
    what: 'joining another network',
    type: join,
    on: 'carol',
    input: ({ invites }) => invites.other,
    says: /is carol in another network: run `filer-client leave` first/,
    exit: 6,
    code: 'refused',
  },
  {
    what: 'a server that is not the one that made the invite',
    type: join,
    on: 'new',
    input: ({ invites, network }) => pointedTo(invites.other, network.server.port),
    says: /not the one that made this invite/,
    exit: 7,
    code: 'identity-mismatch',
  },
  {
    what: 'a server that is away, when joining',
    type: join,
    on: 'new',
    input: ({ invites }) => pointedTo(invites.good, 1),
    says: /cannot be reached: .*127\.0\.0\.1:1.*check that `ip-server start` runs there/,
    exit: 10,
    code: 'server-unreachable',
  },
  {
    what: 'Ctrl-C while a server does not answer',
    type: join,
    on: 'new',
    input: ({ invites, silentPort }) => pointedTo(invites.good, silentPort),
    signal: 'SIGINT',
    signalAfter: () => once(silent, 'connection'),
    says: /stopped by SIGINT/,
    exit: 130,
    code: 'interrupted',
  },

  // Not joined
  ...[
    ['start'],
    ['status'],
    ['peers'],
    ['send', '/etc/hostname', '--to', 'bob'],
    ['message', 'bob', 'hello'],
    ['broadcast', 'hello'],
    ['messages'],
    ['inbox'],
    ['report', 'state=ok'],
    ['trust', 'bob'],
    ['server', '127.0.0.1:1'],
    ['leave', '--yes'],
  ].map((type): Row => ({
    what: `${type[0]} on a machine that has not joined`,
    type,
    on: 'new',
    says: /this machine has not joined a network: .*filer-client join -/,
    exit: 3,
    code: 'not-joined',
  })),

  // The server
  {
    what: 'an address where no server is',
    type: ['server', '127.0.0.1:1'],
    on: 'wanderer',
    says: /the ip-server at .*127\.0\.0\.1:1.* cannot be reached/,
    exit: 10,
    code: 'server-unreachable',
  },
  {
    what: 'an address that is invalid',
    type: ['server', 'somewhere'],
    says: /HOST:PORT/,
    exit: 2,
    code: 'usage',
  },

  // Recipients
  {
    what: 'a peer that is offline',
    type: ({ file }) => ['send', file, '--to', 'gone'],
    says: /gone does not answer \(offline, last seen [^)]*(?:ago|now)\).*connection refused/,
    exit: 5,
    code: null,
  },
  {
    what: 'a peer that is offline, through the daemon',
    type: ({ file }) => ['send', file, '--to', 'gone'],
    on: 'anna',
    says: /gone does not answer \(offline, last seen [^)]*(?:ago|now)\).*connection refused/,
    exit: 5,
    code: null,
  },
  {
    what: 'a message to a peer that is offline',
    type: ['message', 'gone', 'hello'],
    says: /gone does not answer \(offline/,
    exit: 5,
    code: 'peer-unreachable',
  },
  {
    what: 'an unknown peer whose name is near a known one',
    type: ({ file }) => ['send', file, '--to', 'bbo'],
    says: /no peer is called bbo: did you mean bob\?/,
    exit: 4,
    code: 'no-such-peer',
  },
  {
    what: 'an unknown peer, through the daemon',
    type: ({ file }) => ['send', file, '--to', 'bbo'],
    on: 'anna',
    says: /no peer is called bbo: did you mean bob\?/,
    exit: 4,
    code: 'no-such-peer',
  },
  {
    what: 'an unknown group',
    type: ['message', '@lab', 'hello'],
    says: /no other machine is in the group @lab/,
    exit: 4,
    code: 'no-such-peer',
  },
  {
    what: 'this machine itself',
    type: ({ file }) => ['send', file, '--to', 'carol'],
    says: /carol is this machine itself/,
    exit: 4,
    code: 'no-such-peer',
  },
  {
    what: 'a name that no machine ever had',
    type: ['trust', 'nobody'],
    says: /no peer is or was called nobody/,
    exit: 4,
    code: 'no-such-peer',
  },
  {
    what: 'a receiver that takes no files',
    type: ({ file }) => ['send', file, '--to', 'nothing-taken'],
    says: /nothing-taken takes no files \(it was started with --accept none\)/,
    exit: 6,
    code: null,
  },

  // Paths
  {
    what: 'a path that does not exist',
    type: ['send', '/no/such/file', '--to', 'bob'],
    says: /there is no file "\/no\/such\/file": check the name/,
    exit: 1,
    code: 'path-missing',
  },
  {
    what: 'a path that does not exist, through the daemon',
    type: ['send', '/no/such/file', '--to', 'bob'],
    on: 'anna',
    says: /there is no file "\/no\/such\/file": check the name/,
    exit: 1,
    code: 'path-missing',
  },
  {
    what: 'a pipe',
    type: ({ network }) => ['send', network.path('pipe'), '--to', 'bob'],
    says: /pipe" is neither a file nor a folder: only files can be sent/,
    exit: 1,
    code: 'path-unsupported',
  },
  {
    what: 'a path with a control character in it',
    type: ['send', '/no/\u001B[31mred', '--to', 'bob'],
    says: /there is no file "\/no\/\\u[^\u001B]*red"/,
    exit: 1,
    code: 'path-missing',
  },
  {
    what: 'several paths, none of which exists',
    type: ['send', '/no/such/file', '/nor/this', '--to', 'bob'],
    says: /none of the 2 paths can be sent: there is no file "\/no\/such\/file"/,
    exit: 1,
    code: 'path-missing',
  },

  // Too large
  {
    what: 'a text that is too long',
    type: ['message', 'bob', 'x'.repeat(20_000)],
    says: /20000 bytes.*16384/,
    exit: 11,
    code: 'too-large',
  },
  {
    what: 'a report that is too large',
    type: ['report', `log=${'x'.repeat(70_000)}`],
    says: /the report is 70[0-9]{3} bytes, the limit is 65536: report less/,
    exit: 11,
    code: 'too-large',
  },

  // The command line
  { what: 'an unknown command', type: ['sned'], says: /sned.*send/, exit: 2, code: 'usage' },
  {
    what: 'an unknown flag',
    type: ['send', 'a', '--too', 'bob'],
    says: /--too.*--to/,
    exit: 2,
    code: 'usage',
  },
  {
    what: 'a missing argument',
    type: ['send', 'a'],
    says: /--to/,
    exit: 2,
    code: 'usage',
  },
  {
    what: 'a wrong duration',
    type: ['send', 'a', '--to', 'bob', '--timeout', 'soon'],
    says: /--timeout takes a duration such as 500ms, 10s, .* not "soon"/,
    exit: 2,
    code: 'usage',
  },
  {
    what: 'a report of nothing',
    type: ['report'],
    says: /nothing to report: .*KEY=VALUE/,
    exit: 2,
    code: 'usage',
  },
  {
    what: 'a report that is no pair',
    type: ['report', 'warm'],
    says: /KEY=VALUE takes a pair such as temperature=21\.5, not "warm"/,
    exit: 2,
    code: 'usage',
  },
  {
    what: 'a wrong value in the environment',
    type: ['start'],
    env: () => ({ FILER_LISTEN: 'everywhere' }),
    says: /the variable FILER_LISTEN takes HOST:PORT such as 0\.0\.0\.0:10902 .*"everywhere"/,
    exit: 1,
    code: 'configuration-invalid',
  },

  // Starting; each in a home of its own, rows run side by side
  {
    what: 'a port in use',
    type: ({ silentPort }) => ['start', '--listen', `127.0.0.1:${silentPort}`],
    says: /127\.0\.0\.1:[0-9]+ is in use by another program/,
    exit: 1,
    code: 'port-in-use',
  },
  {
    what: 'an address of another machine',
    type: ['start', '--listen', '192.0.2.1:10902'],
    on: 'wanderer',
    says: /this machine has no address .*192\.0\.2\.1:10902/,
    exit: 1,
    code: 'address-unusable',
  },
  {
    what: 'a second daemon on one home',
    type: ['start', '--listen', '127.0.0.1:0'],
    on: 'anna',
    says: /this home is in use by process [0-9]+, stop that one first/,
    exit: 1,
    code: 'already-running',
  },
  {
    what: 'an inbox that cannot be used',
    type: ({ network }) => ['start', '--listen', '127.0.0.1:0', '--inbox', network.path('plain-file')],
    on: 'gone',
    says: /the inbox .*plain-file cannot be used/,
    exit: 1,
    code: 'home-not-writable',
  },
  {
    what: 'an inbox that is the home itself',
    type: ({ network }) => ['start', '--listen', '127.0.0.1:0', '--inbox', network.home('inside')],
    on: 'inside',
    says: /inside" holds this machine's key and databases of filer: choose another folder/,
    exit: 6,
    code: 'refused',
  },
  {
    what: 'a file where the home should be',
    type: ['join', '-', '--name', 'new'],
    on: 'plain-file',
    input: ({ invites }) => invites.good,
    says: /plain-file/,
    exit: 1,
    code: 'home-not-writable',
  },
  {
    what: 'a home below a file',
    type: ['status'],
    on: 'plain-file/home',
    says: /plain-file/,
    exit: 1,
    code: 'home-not-writable',
  },

  // Signals
  {
    what: 'SIGINT while a recipient does not answer',
    type: ({ file }) => ['send', file, '--to', 'frozen'],
    signal: 'SIGINT',
    signalAfter: (command) => command.typed('job'),
    says: /stopped by SIGINT/,
    exit: 130,
    code: 'interrupted',
  },
  {
    what: 'SIGTERM while a recipient does not answer',
    type: ({ file }) => ['send', file, '--to', 'frozen'],
    signal: 'SIGTERM',
    signalAfter: (command) => command.typed('job'),
    says: /stopped by SIGTERM/,
    exit: 143,
    code: 'terminated',
  },
  {
    what: 'SIGINT at a command that its daemon works for',
    type: ({ file }) => ['send', file, '--to', 'frozen'],
    on: 'anna',
    signal: 'SIGINT',
    signalAfter: (command) => command.typed('job'),
    says: /stopped by SIGINT/,
    exit: 130,
    code: 'interrupted',
  },

  // ip-server
  {
    what: 'ip-server: a port in use',
    program: 'ip-server',
    type: ({ silentPort }) => ['start', '--host', '127.0.0.1', '--port', String(silentPort)],
    on: 'other',
    says: /127\.0\.0\.1:[0-9]+ is in use by another program/,
    exit: 1,
    code: 'port-in-use',
  },
  {
    what: 'ip-server: a second one on one home',
    program: 'ip-server',
    type: ['start', '--port', '0'],
    on: 'server',
    says: /this home is in use by process [0-9]+, stop that one first/,
    exit: 1,
    code: 'already-running',
  },
  {
    what: 'ip-server: a file where the home should be',
    program: 'ip-server',
    type: ['start', '--port', '0'],
    on: 'plain-file',
    says: /plain-file/,
    exit: 1,
    code: 'home-not-writable',
  },
  {
    what: 'ip-server: a broadcast while it does not run',
    program: 'ip-server',
    type: ['broadcast', 'hello'],
    on: 'new',
    says: /ip-server is not running here, start it with "ip-server start"/,
    exit: 12,
    code: 'needs-daemon',
  },
  {
    what: 'ip-server: an unknown machine',
    program: 'ip-server',
    type: ['remove', 'bbo', '--yes'],
    on: 'server',
    says: /bbo.*bob/,
    exit: 4,
    code: 'no-such-peer',
  },
  {
    what: 'ip-server: a wrong duration',
    program: 'ip-server',
    type: ['invite', '--expires', 'soon'],
    on: 'server',
    says: /--expires takes a duration .*such as .*7d, not "soon"/,
    exit: 2,
    code: 'usage',
  },
];

const silent = createServer((socket) => socket.on('error', () => undefined));
const closers: (() => unknown)[] = [];
let scene: Scene;

beforeAll(async () => {
  const network = await TestNetwork.open({ running: ['anna', 'bob', 'frozen', 'gone'] });
  closers.push(() => network.close());
  await Promise.all([
    network.add('nothing-taken', '--accept', 'none'),
    network.join('carol'),
    network.join('wanderer'),
    network.join('inside'),
    network.daemon('gone').stop(),
  ]);
  await network.seesAs('carol', 'gone', 'stopped');
  network.daemon('frozen').child.kill('SIGSTOP');
  await writeFile(network.path('plain-file'), 'no folder');
  await run('mkfifo', [network.path('pipe')]);
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  closers.push(() => silent.close());
  const file = await network.file('hello.bin', 1_000);
  const invites = await makeInvites(network);
  scene = { network, file, invites, silentPort: (silent.address() as AddressInfo).port };
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

async function makeInvites(network: TestNetwork): Promise<Scene['invites']> {
  const invite = async (home: string, ...args: string[]): Promise<string> => {
    const { stdout } = await runHere('ip-server', network.home(home), ['invite', ...args]);
    return stdout.trim();
  };
  // The same keys without the database: a grant that the network has signed and its server never heard of.
  await mkdir(network.path('copy'));
  for (const key of ['key.pem', 'cert.pem', 'network-key.pem']) {
    await cp(`${network.serverHome}/${key}`, network.path(`copy/${key}`));
  }
  const [good, unknown, expired, usedUp, revoked, other] = await Promise.all([
    invite('server', '--uses', '100'),
    invite('copy'),
    invite('server', '--expires', '1ms'),
    invite('server'),
    invite('server'),
    invite('other'),
  ]);
  await network.client('first', ['join', '-', '--name', 'first'], { input: usedUp });
  await network.ofServer(['invite', '--revoke', parseInvite(revoked).grant.invite]);
  return { good, unknown: pointedTo(unknown, network.server.port), expired, usedUp, revoked, other };
}

/** The same invite for a server at another address: addresses are not signed, ids are. */
function pointedTo(link: string, port: number): string {
  return link.replace(/(?<=^filer:\/\/)[^/]+/, `127.0.0.1:${port}`);
}

describe('what goes wrong is said in one line, with the exit code of its kind', () => {
  test.concurrent.for(rows)('$what: exit $exit', async (row, { expect }) => {
    const { program = 'filer-client', on = 'carol', type, input, env, signal, signalAfter } = row;
    // Homes are held by one join at a time, and rows run side by side.
    const home = scene.network.home(on === 'new' ? `new-${rows.indexOf(row)}` : on);
    const args = typeof type === 'function' ? type(scene) : type;
    const typed = [...args, '--json'];
    const given = input?.(scene);
    const ended = async (): Promise<Outcome> => {
      if (signal === undefined) return runHere(program, home, typed, given, false, env?.(scene));
      const command = new ProgramProcess(program, typed, home, { input: given ?? '' });
      await signalAfter?.(command);
      command.child.kill(signal);
      return command.ended;
    };
    const outcome = await ended();
    const { code, stderr } = outcome;

    expect.soft(stderr).toMatch(row.says);
    expect.soft(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect.soft(stderr).toMatch(new RegExp(`^${program}: `));
    expect.soft(code).toBe(row.exit);
    const last = jsonLines(outcome).at(-1);
    if (row.code === null) expect(last).toMatchObject({ type: 'done', ok: false, exitCode: row.exit });
    else expect(last).toMatchObject({ type: 'error', code: row.code, exitCode: row.exit });
  });

  test('of several paths those that exist are delivered, and the bad one is named: exit 8', async () => {
    const { network, file } = scene;
    const outcome = await network.client('carol', ['send', file, '/no/such/file', '--to', 'bob', '--json']);

    expect(outcome.code).toBe(8);
    expect(outcome.stderr.match(/^filer-client: .*$/gm)).toEqual([
      expect.stringMatching(/bob: there is no file "\/no\/such\/file"/),
    ]);
    expect(jsonLines(outcome).at(-1)).toMatchObject({
      type: 'done',
      ok: false,
      filesSent: 1,
      filesFailed: 1,
    });
    expect(await filesBelow(network.inbox('bob'))).toContain('carol/hello.bin');
  });

  test('of several peers those that answer get the file, and the lost one is named: exit 8', async () => {
    const { network, file } = scene;
    const outcome = await network.client('carol', ['send', file, '--to', 'anna,gone', '--json']);

    expect(outcome.code).toBe(8);
    expect(outcome.stderr.match(/^filer-client: .*$/gm)).toEqual([
      expect.stringMatching(/gone does not answer/),
    ]);
    expect(await filesBelow(network.inbox('anna'))).toContain('carol/hello.bin');
  });
});

describe('a machine whose server is another one now', () => {
  let network: TestNetwork;

  beforeAll(async () => {
    network = await TestNetwork.open({ running: ['anna', 'dave'] });
    await network.seesAs('anna', 'dave', 'online');
    await Promise.all([network.daemon('anna').stop(), network.daemon('dave').stop()]);
    await network.server.stop();
  });
  afterAll(() => network.close());

  test('a server whose id is not the pinned one is refused: exit 7', async () => {
    const [, port = ''] = network.server.listen.split(':');
    const args = ['start', '--host', '127.0.0.1', '--port', port, '--json'];
    const imposter = new ProgramProcess('ip-server', args, network.home('imposter'));
    await imposter.typed('ready');
    try {
      for (const type of [['peers'], ['message', 'dave', 'hi'], ['server', `127.0.0.1:${port}`]]) {
        const outcome = await network.client('anna', [...type, '--json']);
        expect(outcome.stderr).toMatch(/^filer-client: the server does not prove the id .*\n$/);
        expect(outcome.code).toBe(7);
        expect(jsonLines(outcome).at(-1)).toMatchObject({ type: 'error', code: 'identity-mismatch' });
      }
    } finally {
      await imposter.stop();
    }
  });

  test('a peer whose id changed gets nothing until its name is trusted again: exit 7', async () => {
    // The server has lost its database, and another machine takes the name before the first is back.
    for (const suffix of ['', '-wal', '-shm']) {
      await rm(`${network.serverHome}/ip-server.db${suffix}`, { force: true });
    }
    await network.startServer();
    const invite = await network.invite('--uses', '2');
    const enrol = (home: string, name: string) =>
      network.client(home, ['join', '-', '--name', name], { input: invite });
    await enrol('anna', 'anna');
    await enrol('new-dave', 'dave');
    const dave = await network.start('new-dave');
    const file = await network.file('secret.bin', 1_000);
    const refused = await network.client('anna', ['send', file, '--to', 'dave', '--json']);

    expect(refused.stderr).toMatch(
      /^filer-client: THE IDENTITY OF dave HAS CHANGED: .*Nothing is sent to it.*filer-client trust dave`\n$/,
    );
    expect(refused.code).toBe(7);
    expect(jsonLines(refused).at(-1)).toMatchObject({ type: 'error', code: 'identity-changed' });
    expect(await filesBelow(network.inbox('new-dave'))).toEqual([]);

    const [trusted] = await network.ask('anna', 'trust', 'dave');
    expect(trusted).toMatchObject({ name: 'dave', id: dave.id, changed: true });
    await network.ask('anna', 'send', file, '--to', 'dave');
    expect(await filesBelow(network.inbox('new-dave'))).toEqual(['anna/secret.bin']);
  });
});

describe('where peers connect', () => {
  test('a port that was not asked for and is taken gives way to a free one, which is remembered', async () => {
    await using network = await TestNetwork.open();
    await network.join('anna');
    const start = () => DaemonProcess.start('filer-client', [], network.home('anna'));
    const usual = createServer().listen(10_902, '::');
    await once(usual, 'listening').catch(() => undefined); // taken by somebody else: as good
    const first = await start();
    usual.close();
    await first.stop();
    const second = await start();
    await second.stop();

    expect(first.port).not.toBe(10_902);
    expect(second.port).toBe(first.port);
  });
});

describe.skipIf(needs.root())('a full disk at the receiver', () => {
  test('refuses what does not fit before its first byte: exit 11', async () => {
    await using network = await TestNetwork.open({ running: ['anna'] });
    const inbox = network.path('small-disk');
    await mkdir(inbox);
    // The receiver keeps 16 MiB free for the machine itself.
    await run('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', inbox]);
    try {
      await network.join('bob');
      await network.start('bob', '--inbox', inbox);
      await network.seesAs('anna', 'bob', 'online');
      const [small, large] = [
        await network.file('small.bin', 1_000),
        await network.file('large.bin', 8_000_000),
      ];
      const refused = await network.client('anna', ['send', large, '--to', 'bob', '--json']);

      expect(refused.stderr).toMatch(/^filer-client: .*no room for.*8000000 bytes.*\n$/);
      expect(refused.code).toBe(11);
      expect(jsonLines(refused).at(-1)).toMatchObject({ type: 'done', exitCode: 11 });
      expect(await filesBelow(inbox)).toEqual([]);

      await network.ask('anna', 'send', small, '--to', 'bob');
      expect(await filesBelow(inbox)).toEqual(['anna/small.bin']);
      await network.daemon('bob').stop();
    } finally {
      await run('umount', [inbox]);
    }
  });
});
