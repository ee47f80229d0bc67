import { optionsOf } from './command-line.ts';
import { beginsWith, GLOBAL_FLAGS, selectCommand, wordsOf } from './selection.ts';
import { parseUsage } from './binding.ts';
import { defineCommand, type Command } from './command.ts';

/** Prints the script that a shell sources. */
export const completionCommand: Command = defineCommand({
  usage: 'completion',
  describe: 'print the completion script for bash or zsh',
  args: {},
  examples: ['completion >> ~/.bashrc'],
  load: () => import('./completion-script.ts'),
});

/** What may follow, given the words typed so far of which the last is being typed. */
export function completionsFor(commands: readonly Command[], typed: readonly string[]): string[] {
  const current = typed.at(-1) ?? '';
  const { words, command } = selectCommand(commands, typed.slice(0, -1));
  const next = beginsWith(commands, words).flatMap((each) => wordsOf(each)[words.length] ?? []);
  const options =
    command === undefined
      ? []
      : [...optionsOf(command, parseUsage(command.usage)).keys()].map((name) => `--${name}`);
  const globals = Object.keys(GLOBAL_FLAGS).map((name) => `--${name}`);
  const candidates = current.startsWith('-') ? [...options, ...globals] : next;
  return [...new Set(candidates)].filter((candidate) => candidate.startsWith(current));
}
