import { optional, type ArgumentValues } from '../arguments.ts';
import { command, type Command, type Context } from '../command.ts';
import { choiceKind } from '../kinds.ts';
import { SHELLS } from './shells.ts';

const args = {
  shell: optional(choiceKind(SHELLS), 'the shell: bash, zsh or fish (default: that of $SHELL, else bash)'),
};

const examples = ['completion bash >> ~/.bashrc', 'completion zsh >> ~/.zshrc', 'completion fish | source'];

/** Prints the script that a shell sources. */
export const completionCommand: Command = command(
  'completion [shell]',
  'print the completion script for bash, zsh or fish',
  () => Promise.resolve({ args, examples, run }),
);

async function run(
  { shell }: ArgumentValues<typeof args>,
  { calledAs, env, output }: Context,
): Promise<void> {
  const usual = SHELLS.find((each) => each === env['SHELL']?.replace(/^.*\//, ''));
  const chosen = shell ?? usual ?? 'bash';
  const { scriptFor } = await import('./scripts.ts');
  const script = scriptFor(chosen, calledAs);
  output.line(script.trimEnd());
  output.json({ shell: chosen, script });
}
