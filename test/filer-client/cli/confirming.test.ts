import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, afterAll, expect, test } from 'vitest';
import { runHere } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import type { ProgramName } from '../../support/programs.ts';

let network: NetworkHere;
let anna: ClientHere;
let invite: string;

beforeAll(async () => {
  network = await NetworkHere.open();
  anna = await network.add('anna');
  await network.join('bob');
  await anna.sees('bob', () => true);
  const folder = join(network.folder, 'results');
  await mkdir(folder);
  await anna.ask('share', 'add', folder);
  await anna.ask('watch', 'add', folder, '--to', '@all', '--as', 'w');
  await anna.ask('report', 'schedule', 'add', 'tick', '--every', '1h', '--set', 'a=1');
  await network.askServer('broadcast', 'a text of the server');
  await network.askServer('collect', 'add', 'c', '--from', '@all', '--path', 'x/**', '--every', '1d');
  invite = String(((await network.askServer('invite', '--list'))['invites'] as { id: string }[])[0]?.id);
});

afterAll(() => network[Symbol.asyncDispose]());

const cases: [ProgramName, string[], RegExp][] = [
  ['filer-client', ['share', 'remove', 'results'], /results/],
  ['filer-client', ['watch', 'remove', 'w'], /@all/],
  ['filer-client', ['report', 'schedule', 'remove', 'tick'], /tick \(1h\)/],
  ['filer-client', ['report', 'spool', 'drop', '--all'], /0 refused reports/],
  ['filer-client', ['messages', '--delete', '--all'], /a text of the server[^]*1 message/],
  ['filer-client', ['leave'], /anna/],
  ['ip-server', ['collect', 'remove', 'c'], /collected\/c/],
  ['ip-server', ['remove', 'anna'], /anna/],
  ['ip-server', ['network-key', 'export', '/nowhere/key.pem', '--remove'], /\/nowhere\/key.pem/],
  ['ip-server', ['invite', '--revoke', 'INVITE', '--with-members'], /anna/],
];

test.each(cases)(
  '%s %j says what is lost and changes nothing when the answer is no',
  async (program, args, said) => {
    const home = program === 'ip-server' ? network.serverHome : anna.home;
    const typed = args.map((arg) => (arg === 'INVITE' ? invite : arg));
    const { code, stdout, stderr } = await runHere(program, home, [...typed, '--quiet'], 'n\n', true);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(said);
    expect((await runHere(program, home, typed)).code).toBe(2);
  },
);

test('a machine or share that does not exist is said before anything is asked', async () => {
  const { code, stderr } = await runHere(
    'ip-server',
    network.serverHome,
    ['remove', 'nonesuch'],
    'y\n',
    true,
  );
  expect(code).toBe(4);
  expect(stderr).not.toContain('[y/N]');
});

test('Ctrl-D is a no on a line of its own, and --json says what it needs', async () => {
  const { code, stderr } = await runHere('filer-client', anna.home, ['leave'], '', true);
  expect(code).toBe(1);
  expect(stderr).toContain('[y/N] \nnothing was changed\n');
  const json = await runHere('filer-client', anna.home, ['leave', '--json'], '', true);
  expect([json.code, json.stderr]).toEqual([2, expect.stringMatching(/with --json add\s`--yes`/)]);
});
