import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { command, flag, runProgram } from '@filer/program';
import { expect, test } from 'vitest';
import { commands as clientCommands } from '../../apps/filer-client/src/cli/commands.ts';
import { commands as serverCommands } from '../../apps/ip-server/src/cli/commands.ts';

const args = { all: flag('all'), dryRun: flag('only show') };

/** Runs a command that deletes, at a terminal where a person answers, or without one. */
async function run(argv: readonly string[], answer?: string) {
  const done: string[] = [];
  const isTerminal = answer !== undefined;
  const stdin = Object.assign(new PassThrough(), { isTTY: isTerminal });
  const stderr = Object.assign(new PassThrough(), { isTTY: isTerminal });
  const stdout = new PassThrough();
  stdin.end(answer);
  const printed = Promise.all([text(stdout), text(stderr)]);
  const drop = command('drop', 'delete', () =>
    Promise.resolve({
      args,
      confirms: { with: '--all', when: ({ dryRun }: { dryRun: boolean }) => !dryRun },
      lossOf: ({ all }: { all: boolean }) =>
        Promise.resolve({ lines: [all ? 'All 3 go.' : '1 goes.'], question: 'Delete?' }),
      run: () => Promise.resolve(void done.push('deleted')),
    }),
  );
  const code = await runProgram({
    ...{ program: 'filer-client', version: '0', summary: '', commands: [drop], argv, env: {} },
    ...{ stdin, stdout, stderr },
  });
  stdout.end();
  stderr.end();
  const [out, words] = await printed;
  return { code, done, out, words };
}

test.each([['y\n'], ['yes\n'], [' Y \n']])(
  'on a terminal %j deletes, after what is lost was said',
  async (answer) => {
    const { code, done, words } = await run(['drop', '--all'], answer);
    expect({ code, done }).toEqual({ code: 0, done: ['deleted'] });
    expect(words).toContain('All 3 go.');
    expect(words).toContain('Delete? [y/N]');
  },
);

test.each([['\n'], ['n\n'], ['yess\n'], ['']])('on a terminal %j deletes nothing', async (answer) => {
  expect(await run(['drop'], answer)).toMatchObject({ code: 1, done: [] });
});

test('without a terminal, and under --json, a command that deletes needs --yes', async () => {
  for (const outcome of [await run(['drop']), await run(['drop', '--json'], 'y\n')]) {
    expect(outcome).toMatchObject({ code: 2, done: [] });
    expect(outcome.words).toContain('--yes');
  }
  for (const yes of ['--yes', '-y'])
    expect(await run(['drop', yes])).toMatchObject({ code: 0, done: ['deleted'] });
  expect(await run(['drop', '--yes', '--json'])).toMatchObject({ code: 0, done: ['deleted'] });
});

test('what deletes nothing, such as --dry-run, does not ask', async () => {
  expect(await run(['drop', '--dry-run'])).toMatchObject({ code: 0, done: ['deleted'] });
});

test('these commands confirm, and have --yes', async () => {
  const opened = await Promise.all([...clientCommands, ...serverCommands].map((each) => each.open()));
  const confirming = opened.filter(({ args: { yes } }) => yes !== undefined);
  expect(confirming.map(({ usage }) => usage.replace(/ [<[].*/, '')).toSorted()).toEqual([
    'collect remove',
    'invite',
    'leave',
    'messages',
    'network-key export',
    'remove',
    'report schedule remove',
    'report spool drop',
    'servers remove',
    'share remove',
    'watch remove',
  ]);
});
