import { describe, expect, test } from 'vitest';
import { splitWords } from '../../apps/filer-client/src/cli/shell/input-words.ts';
import { readArguments } from '../../packages/program/src/binding.ts';
import { parseCommandLine } from '../../packages/program/src/command-line.ts';
import { selectCommand, separateFlags } from '../../packages/program/src/selection.ts';
import { PROGRAMS } from '../../scripts/cli-docs.ts';

/** What a shell reads of a line for itself: a pipe, another command, a file. */
const SHELL_WORD = /^(?:\||&&|[<>]+)$/;

describe.each(Object.entries(PROGRAMS))('%s', (program, commands) => {
  const all = commands.flatMap((command) =>
    (command.examples ?? []).map((example) => [example, command] as const),
  );

  test('has an example of each command', () => {
    expect(commands.filter(({ examples = [] }) => examples.length === 0).map(({ usage }) => usage)).toEqual(
      [],
    );
  });

  test.each(all)('%s is a right line of its command', async (example, command) => {
    const words = splitWords(example, '/home/me');
    const end = words.findIndex((word) => SHELL_WORD.test(word));
    const typed = words.slice(0, end === -1 ? words.length : end);
    const selected = selectCommand(commands, await separateFlags(commands, typed));
    expect(selected.command?.usage).toBe(command.usage);
    const given = parseCommandLine(program, commands, command, selected.tokens);
    expect(() => readArguments(command.args, given)).not.toThrow();
  });
});
