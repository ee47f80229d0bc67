import { expect, test } from 'vitest';
import { commands } from '../../../apps/filer-client/src/cli/commands.ts';
import { readArguments } from '../../../packages/program/src/binding.ts';
import { parseCommandLine } from '../../../packages/program/src/command-line.ts';
import { selectCommand } from '../../../packages/program/src/selection.ts';

/** Paths and recipients of a command line, as `send` gets them. */
async function read(...argv: string[]): Promise<{ paths: unknown; to: unknown; into?: unknown }> {
  const { command: selected, tokens } = selectCommand(commands, ['send', ...argv]);
  const command = await selected?.open();
  if (command === undefined) throw new Error('there is a command send');
  const given = parseCommandLine('filer', commands, command, tokens);
  const { paths, to, into } = readArguments(command.args, given);
  return into === undefined ? { paths, to } : { paths, to, into };
}

test.each([
  [['x', 'bob:'], ['x'], ['bob']],
  [['a', 'b', '@lab:'], ['a', 'b'], ['@lab']],
  [['a', 'bob,carol:', '--queue'], ['a'], ['bob', 'carol']],
  [['-', 'bob:', '--as', 'x'], ['-'], ['bob']],
  [['./bob:', 'bob:'], ['./bob:'], ['bob']],
  [['dir/a:b', 'bob:'], ['dir/a:b'], ['bob']],
  [['a:b', 'bob:'], ['a:b'], ['bob']],
  [['bob:', '--to', 'carol'], ['bob:'], ['carol']],
])('send %j sends %j to %j', async (argv, paths, to) => {
  expect(await read(...argv)).toEqual({ paths, to });
});

test.each([
  ['@lab:reports/2026/', 'reports/2026'],
  ['bob:a b', 'a b'],
  ['bob:a:b', 'a:b'],
])('send x %s is below the folder %s there', async (recipient, into) => {
  expect(await read('x', recipient)).toMatchObject({ paths: ['x'], into });
});

test.each([
  [['x', 'bob:a', '--into', 'b'], 'give the folder once'],
  [['x'], '--to is missing'],
  [['./bob:'], '--to is missing'],
  [[':'], '--to is missing'],
  [['x', ':'], '--to is missing'],
  [[], '<paths..> is missing'],
  [['bob:'], 'say what to send'],
  [['x', 'bob,:'], '--to takes'],
  [['x', 'bob:,carol:'], 'send FILE bob,carol:'],
  [['x', 'bob:,carol,@lab'], 'send FILE bob,carol,@lab:'],
  [['x', 'bob:/etc'], '"bob:/etc"'],
  [['x', 'bob:~/a'], '"bob:~/a"'],
])('send %j is a usage error: %s', async (argv, words) => {
  await expect(read(...argv)).rejects.toThrow(
    expect.objectContaining({ code: 'usage', message: expect.stringContaining(words) }),
  );
});
