import { optional, type ArgumentValues } from '../arguments.ts';
import { defineCommand, type Command, type Context } from '../command.ts';
import { choiceKind } from '../kinds.ts';
import { SHELLS } from './shells.ts';

const completionArguments = {
  shell: optional(choiceKind(SHELLS), 'the shell: bash, zsh or fish (default: that of $SHELL, else bash)'),
};

/** Prints the script that a shell sources. */
export const completionCommand: Command = defineCommand({
  usage: 'completion [shell]',
  describe: 'print the completion script for bash, zsh or fish',
  args: completionArguments,
  examples: ['completion bash >> ~/.bashrc', 'completion zsh >> ~/.zshrc', 'completion fish | source'],
  load: () => Promise.resolve({ run }),
});

async function run(
  { shell }: ArgumentValues<typeof completionArguments>,
  { calledAs, env, output }: Context,
): Promise<void> {
  const usual = SHELLS.find((each) => each === env['SHELL']?.replace(/^.*\//, ''));
  const chosen = shell ?? usual ?? 'bash';
  const { scriptFor } = await import('./scripts.ts');
  const script = scriptFor(chosen, calledAs);
  output.line(script.trimEnd());
  output.json({ shell: chosen, script });
}
