import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { widthOf } from '../../packages/program/src/terminal/text-width.ts';
import { runHere, runInTerminal } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import type { ProgramName } from '../support/programs.ts';
import { Terminal } from '../support/terminal.ts';

const LONG = 'a-folder-with-a-name-of-some-length';
const WIDE = '報告書-日本語の名前.txt';

/** What is copied from a screen, and so stands there in one piece. */
const ids: string[] = [];
let network: NetworkHere;
let anna: ClientHere;
let job: string;

/** A network in which each command has something to show. */
beforeAll(async () => {
  network = await NetworkHere.open();
  const names = ['anna', 'bartholomew-of-the-long-name', 'carol'];
  const clients = [];
  for (const name of names) clients.push(await network.add(name));
  const [first, bartholomew, carol] = clients;
  if (first === undefined || bartholomew === undefined || carol === undefined)
    throw new Error('three joined');
  anna = first;
  await anna.sees(names[1] ?? '');
  await anna.sees('carol');
  const tree = join(network.folder, LONG);
  await mkdir(join(tree, LONG, LONG), { recursive: true });
  await writeFile(join(tree, LONG, LONG, WIDE), 'x'.repeat(10_000));
  await writeFile(join(tree, 'a.txt'), 'x');
  const sent = await anna.ask(
    'send',
    tree,
    '--to',
    '@all',
    '--note',
    'what was measured last night, with all its folders',
  );
  job = String(sent['job']);
  await carol.ask('send', tree, '--to', 'anna', '--note', 'one two three four five six seven eight nine ten');
  await anna.ask('share', 'add', tree, '--as', 'trees');
  await carol.ask('share', 'add', tree);
  await anna.ask('watch', 'add', join(tree, LONG), '--to', 'carol');
  await anna.run('report', 'schedule', 'add', 'disk', '--every', '10m', '--', 'df', '-h', '--output=source');
  await anna.ask('report', 'temperature=21.5', 'state=the fan of the second rack is louder than last week');
  await carol.ask(
    'message',
    'anna',
    'a text that is long enough to need more than one line of a narrow terminal, with words',
  );
  await network.askServer('broadcast', 'a text of the server');
  await network.askServer('group', 'add', 'carol', 'film-crew');
  await network.askServer(
    'collect',
    'add',
    'results',
    '--from',
    '@all',
    '--path',
    'trees/**',
    '--every',
    'day@18:00',
  );
  await network.runServer('collect', 'run', 'results');
  const invites = (await network.askServer('invite', '--list'))['invites'] as { id: string }[];
  ids.push(job, ...clients.map(({ daemon }) => daemon.id), ...invites.map(({ id }) => id));
});
afterAll(() => network[Symbol.asyncDispose]());

const CLIENT: readonly (readonly string[])[] = [
  ['overview'],
  ['peers'],
  ['peers', '--all'],
  ['status'],
  ['transfers'],
  ['history'],
  ['history', 'JOB'],
  ['verify', 'JOB'],
  ['inbox'],
  ['inbox', '--files'],
  ['inbox', '--from', 'carol', '--since', '1h', '--limit', '1'],
  ['messages'],
  ['share', 'list'],
  ['watch', 'list'],
  ['report', 'schedule', 'list'],
  ['report', 'spool'],
  ['ls', 'carol'],
  ['--help'],
  ['send', '--help'],
];
const SERVER: readonly (readonly string[])[] = [
  ['status'],
  ['peers'],
  ['peers', '--all'],
  ['reports'],
  ['reports', 'get', '1'],
  ['alarms'],
  ['invite', '--list'],
  ['collect'],
  ['collect', 'show', 'results'],
  ['--help'],
];
const WRONG: readonly (readonly [ProgramName, readonly string[], number])[] = [
  ['filer-client', ['send', 'no-such-file', '--to', 'carol'], 1],
  ['filer-client', ['send', '/etc/hosts', '--to', 'nobody-of-this-name'], 4],
  ['filer-client', ['send', '/etc/hosts', 'carool:'], 4],
  ['filer-client', ['send', '/etc/hosts', 'carol'], 2],
  ['filer-client', ['send', 'carol:'], 2],
  ['ip-server', ['start', '--join', '--no-join'], 2],
  ['filer-client', ['inbox', '--limit', '0'], 2],
  ['filer-client', ['inbox', '--since', 'yesterday'], 2],
  ['filer-client', ['send', 'x', '--to', 'carol', '--progress', 'fast'], 2],
  ['filer-client', ['history', 'zzzz'], 1],
  ['filer-client', ['nosuch'], 2],
  ['ip-server', ['rename', 'carol', 'ip-server'], 2],
  ['ip-server', ['collect', 'show', 'nosuch'], 1],
  ['ip-server', ['reports', '--peer', 'nobody'], 4],
];

/** Lines that are wider than the terminal though they are not one piece that may not be split. */
function tooWide(lines: readonly string[], columns: number): string[] {
  return lines.filter((line) => widthOf(line) > columns && !isOnePiece(line));
}

function isOnePiece(line: string): boolean {
  return (
    /^\s*(\S+\s+)?[~/]\S*$/.test(line) ||
    /^\s*[A-Z2-7]{52}$/.test(line) ||
    ids.some((id) => line.trim().endsWith(id))
  );
}

describe.each([40, 60, 80, 120])('in a terminal of %i columns', (columns) => {
  const rows = [
    ...CLIENT.map((args) => ['filer-client', args] as const),
    ...SERVER.map((args) => ['ip-server', args] as const),
  ];
  test.each(rows)('%s %j fits, with every id in one piece', async (program, args) => {
    const home = program === 'ip-server' ? network.serverHome : anna.home;
    const typed = args.map((word) => (word === 'JOB' ? job : word));
    const env = { HOME: network.folder };
    const shown = await runInTerminal(program, home, typed, columns, env);
    const piped = await runHere(program, home, typed);

    expect(shown.code).toBe(piped.code);
    expect([...shown.lines, ...shown.words]).not.toEqual([]);
    expect(isTable(args) ? tooWide(shown.lines, columns) : []).toEqual([]);
    const text = shown.lines.join('\n');
    for (const id of ids.filter((each) => piped.stdout.includes(each))) expect(text).toContain(id);
    expect(text).not.toContain(`${network.folder}/`);
  });

  test.each(WRONG)('%s %j says what is wrong, whole', async (program, args, code) => {
    const home = program === 'ip-server' ? network.serverHome : anna.home;
    const shown = await runInTerminal(program, home, args, columns);
    const piped = await runHere(program, home, args);

    expect([shown.code, piped.code]).toEqual([code, code]);
    const letters = (text: string): string => text.replaceAll(/\s+/g, '');
    expect(letters(shown.words.join('')).startsWith(letters(piped.stderr))).toBe(true);
  });
});

/** Whether all that it prints is laid out by us: sentences are folded by the terminal. */
function isTable([command = '', ...rest]: readonly string[]): boolean {
  return command !== 'verify' && !(command === 'history' && rest.length > 0) && rest[0] !== 'get';
}

test('a path of a program is whole, and one for a person begins at home', async () => {
  const env = { HOME: network.folder };
  const shown = await runInTerminal('filer-client', anna.home, ['share', 'list'], 120, env);
  const piped = await runHere('filer-client', anna.home, ['share', 'list']);

  expect(shown.lines.join('\n')).toContain(`~/${LONG}`);
  expect(piped.stdout).toContain(`${network.folder}/${LONG}`);
});

describe.skipIf(needs('python3'))('in a real terminal', () => {
  const bin = fileURLToPath(new URL('../../apps/filer-client/bin/filer-client.js', import.meta.url));

  test.concurrent.for([60, 80, 120])(
    'of %i columns the inbox and a send show every letter',
    async (columns, { onTestFinished }) => {
      const env = { FILER_HOME: anna.home, HOME: network.folder, NO_COLOR: '1' };
      const size = `stty cols ${columns} rows 30; exec "$@"`;
      const file = join(network.folder, `${String(columns)}-${WIDE}`);
      await writeFile(file, 'x'.repeat(2_000_000));
      const run = async (...args: string[]): Promise<string> => {
        const terminal = new Terminal(['sh', '-c', size, 'sh', process.execPath, bin, ...args], env);
        onTestFinished(() => terminal.kill());
        expect(await terminal.ended()).toBe(0);
        return terminal.shown;
      };

      const sent = await run('send', file, '--to', 'carol', '--limit', '4MB/s');
      expect(sent).toMatch(/carol █.* 100%.*done/);
      expect(sent).toContain(`${String(columns)}-${WIDE}`);
      const inbox = await run('inbox');
      expect(tooWide(inbox.split('\r\n'), columns)).toEqual([]);
      expect(inbox).toContain(`~/anna/inbox/carol/${LONG}\r\n`);
    },
  );
});
