import { createInterface } from 'node:readline/promises';
import { FilerError } from '@filer/protocol';
import { flag, type Argument, type Arguments, type ArgumentValues } from './arguments.ts';
import type { Output } from './output.ts';

/** What a command destroys, for the person who is asked. */
export interface Loss {
  /** Sentences: exactly what is lost, and what is kept. */
  readonly lines: readonly string[];
  /** Such as `Leave the network?` */
  readonly question: string;
}

/** Whether a command destroys something: with every use, or only with some options, which its help names. */
export type Confirms<A extends Arguments> =
  'always' | { readonly with: string; readonly when: (values: ArgumentValues<A>) => boolean };

/** Asks a person a question whose default answer is no. */
export type Ask = (question: string) => Promise<boolean>;

/** The option that every command that confirms has. */
export function yesOf<A extends Arguments>(confirms: Confirms<A>): { readonly yes: Argument<boolean> } {
  const only = confirms === 'always' ? '' : `with ${confirms.with}: `;
  return { yes: flag(`${only}do not ask first (required without a terminal)`, { alias: 'y' }) };
}

/** Refuses a command that would have to ask where no one can answer. @throws FilerError `usage` */
export function requireTerminal(ask: Ask | undefined, command: string, { jsonMode }: Output): void {
  if (ask !== undefined) return;
  const advice = jsonMode
    ? 'with --json add `--yes`'
    : 'there is no terminal to ask on: add --yes to do it without asking';
  throw new FilerError('usage', `\`${command}\` asks before it deletes, and ${advice}`);
}

/** Shows what would be lost, and asks. @returns whether the answer is yes */
export async function confirm(
  { lines, question }: Loss,
  { ask, output }: { readonly ask: Ask | undefined; readonly output: Output },
): Promise<boolean> {
  for (const line of lines) output.asked(line, '\n');
  if ((await ask?.(question)) === true) return true;
  output.words('nothing was changed');
  return false;
}

/**
 * Asks on the terminal a question whose default answer is no.
 *
 * @returns undefined where there is no terminal, and under `--json`
 */
export function askOnTerminal(
  stdin: NodeJS.ReadableStream,
  output: Output,
  signal: AbortSignal,
): Ask | undefined {
  const isTerminal = 'isTTY' in stdin && stdin.isTTY === true && output.isTerminal && !output.jsonMode;
  if (!isTerminal) return undefined;
  return async (question) => {
    // The terminal edits the line, and turns Ctrl-C into the signal.
    using lines = createInterface({ input: stdin, output: output.stderr, terminal: false });
    const ended = new Promise<undefined>((resolve) => lines.once('close', () => resolve(undefined)));
    output.asked(`${question} [y/N]`, ' ');
    const answer = await Promise.race([lines.question('', { signal }), ended]);
    // Ctrl-D leaves the cursor behind the question.
    if (answer === undefined) output.asked('', '\n');
    return answer !== undefined && /^\s*y(es)?\s*$/i.test(answer);
  };
}
