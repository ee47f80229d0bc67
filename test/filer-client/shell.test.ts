import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { fileURLToPath } from 'node:url';
import { splitWords } from '../../apps/filer-client/src/cli/shell/input-words.ts';
import { longLine } from '../../apps/filer-client/src/cli/shell/short-lines.ts';
import { needs } from '../support/needs.ts';
import { Terminal } from '../support/terminal.ts';
import { TestNetwork } from '../support/test-network.ts';

const bin = fileURLToPath(new URL('../../apps/filer-client/bin/filer-client.js', import.meta.url));
const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const UP = '\u001B[A';

let network: TestNetwork;
beforeAll(async () => {
  network = await TestNetwork.open({ running: ['alice', 'bob'] });
  await network.seesAs('alice', 'bob', 'online');
});
afterAll(() => network.close());

describe.skipIf(needs('python3'))('in a terminal', () => {
  async function shell(name = 'alice'): Promise<Terminal> {
    const terminal = new Terminal([process.execPath, bin, 'shell'], { FILER_HOME: network.home(name) });
    onTestFinished(() => terminal.kill());
    await terminal.shows('Type help');
    await terminal.shows(`${name}> `);
    return terminal;
  }

  test('what arrives is shown above the typed line, which stays as it is and still works', async () => {
    const terminal = await shell();
    terminal.type('message bob "half a ');
    await terminal.shows('half a ');

    await network.client('bob', ['message', 'alice', 'hello there']);
    await terminal.shows('* message from bob: hello there');
    await terminal.shows('alice> message bob "half a ');
    terminal.type('line"\r');

    await terminal.shows('delivered to 1 machine');
    const [said] = await network.ask('bob', 'messages');
    expect(JSON.stringify(said)).toContain('"text":"half a line"');
    terminal.type('exit\r');
    expect(await terminal.ended()).toBe(0);
  });

  test('Tab completes commands and names of peers, Up brings back the last line', async () => {
    const terminal = await shell();
    terminal.type('connec');
    await terminal.shows('connec');
    terminal.type('\t');
    await terminal.shows('t');
    terminal.type('\t');
    await terminal.shows('connections');
    terminal.type(CTRL_C); // empties the line
    await terminal.shows('alice> ');
    terminal.type('connect b');
    await terminal.shows('connect b');
    terminal.type('\t');
    await terminal.shows('ob ');
    terminal.type('\r');
    await terminal.shows('connected to bob');
    terminal.type('connections\r');
    await terminal.shows('ip-server');
    await terminal.shows('out');
    terminal.type('close bob\r');
    await terminal.shows('closed the connection with bob');
    terminal.type(UP);
    await terminal.shows('close bob');
    terminal.type('\r');
    await terminal.shows('there is no connection with bob');
    terminal.type(CTRL_D);
    expect(await terminal.ended()).toBe(0);
  });

  test('a command that deletes asks in the shell, Ctrl-C ends a command and not the shell', async () => {
    const terminal = await shell();
    terminal.type('leave\r');
    await terminal.shows('[y/N]');
    await network.client('bob', ['message', 'alice', 'while it asks']);
    await terminal.shows('message from bob: while it asks');
    terminal.type('n\r');
    await terminal.shows('nothing was changed');
    terminal.type('peers --watch\r');
    await terminal.shows('LAST SEEN');
    terminal.type(CTRL_C);
    await terminal.shows('alice> ');
    terminal.type('status\r');
    await terminal.shows('(connected)');
    terminal.type(CTRL_D);
    expect(await terminal.ended()).toBe(0);
  });

  test('without a daemon the shell is the peer itself, and leaves in order', async () => {
    await network.join('carol');
    const terminal = await shell('carol');
    expect(terminal.shown).toContain('No daemon runs here');
    await network.seesAs('alice', 'carol', 'online');
    await network.client('alice', ['message', 'carol', 'are you there?']);
    await terminal.shows('message from alice: are you there?');
    terminal.type(CTRL_D);
    expect(await terminal.ended()).toBe(0);
    await network.seesAs('alice', 'carol', 'stopped');
  });

  test('it leaves by itself when the daemon ends', async () => {
    await network.add('dave');
    const terminal = await shell('dave');
    await network.daemon('dave').stop();
    await terminal.shows('*');
    expect(await terminal.ended()).toBe(0);
  });
});

test('lines can be piped in: sends, words and reports, and the last failure is the exit code', async () => {
  const file = await network.file('notes.txt', 1_000);
  const input = [
    'peers',
    `send ${file} bob`,
    'multicast bob,nobody good "morning  all"',
    'report state=ok',
    'frobnicate',
  ].join('\n');
  const { code, stdout } = await network.client('alice', ['shell'], { input });

  expect(stdout).toMatch(/bob\s+online/);
  expect(stdout).toContain('bob has alice/notes.txt');
  expect(stdout).toContain('no peer is called nobody');
  expect(stdout).toContain('reported');
  expect(stdout).toContain('there is no frobnicate here');
  expect(code).toBe(1);
  const [said] = await network.ask('bob', 'messages');
  expect(JSON.stringify(said)).toContain('"text":"good morning  all"');
});

test('every command runs with its flags, under --json too, and a wrong one says what is wrong', async () => {
  const file = await network.file('more.txt', 10);
  const input = [
    `filer-client send ${file} --to bob --note 'from the shell' --dry-run`,
    'share list --json',
    'send - --as x --to bob',
    'shell',
    'peers --al',
    'message bob two  words',
    'help inbox',
  ].join('\n');
  const { code, stdout, stderr } = await network.client('alice', ['shell'], { input });
  expect(stdout).toContain('more.txt  10 B');
  expect(stdout).toContain('{"shares":[');
  expect(stdout).toContain('standard input is that of the shell');
  expect(stdout).toContain('this is the shell already');
  expect(stdout).toContain('delivered to 1 machine');
  expect(stdout).toContain('inbox accept');
  expect(stderr).toContain('did you mean --all?');
  expect(code).toBe(0);

  const asJson = await network.client('alice', ['shell', '--json'], { input: 'status\nretry nonesuch' });
  expect(asJson.stdout).toContain('"name":"alice"');
  expect(asJson.stdout).toContain('"code":"no-such-job"');
  expect(asJson.code).toBe(1);
});

test('short lines of the shell are command lines without quotes and --to', () => {
  const long = (line: string): readonly string[] => longLine(splitWords(line));
  expect(long('send a b bob,carol')).toEqual(['send', 'a', 'b', '--to', 'bob,carol']);
  expect(long('send a bob:')).toEqual(['send', 'a', 'bob:']);
  expect(long('send a --to bob')).toEqual(['send', 'a', '--to', 'bob']);
  expect(long('message bob -5 degrees')).toEqual(['message', 'bob', '--', '-5 degrees']);
  expect(long('broadcast it is out')).toEqual(['broadcast', '--', 'it is out']);
  expect(long('decline 3f not today')).toEqual(['inbox', 'decline', '3f', '--reason', 'not today']);
  expect(long('accept 3f')).toEqual(['inbox', 'accept', '3f']);
  expect(long('accept --all')).toEqual(['inbox', 'accept', '--all']);
  expect(long('filer peers')).toEqual(['peers']);
});

test('a typed line is split as a shell splits it, and an open quote is an error', () => {
  expect(splitWords('send "my file.txt"  bob')).toEqual(['send', 'my file.txt', 'bob']);
  expect(splitWords(String.raw`message bob it\'s 'a \n' ""`)).toEqual([
    'message',
    'bob',
    "it's",
    String.raw`a \n`,
    '',
  ]);
  expect(splitWords(String.raw`"a\"b" "c\d" '~/x' ~/x a~ ~`, '/home/a')).toEqual([
    'a"b',
    String.raw`c\d`,
    '~/x',
    '/home/a/x',
    'a~',
    '/home/a',
  ]);
  expect(splitWords('   ')).toEqual([]);
  expect(() => splitWords('message bob "half')).toThrow('not closed');
});
