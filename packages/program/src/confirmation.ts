import { createInterface } from 'node:readline/promises';
import { FilerError } from '@filer/protocol';
import { flag, type Arguments, type ArgumentValues } from './arguments.ts';
import type { Output } from './output.ts';

/** What a command destroys, for the person who is asked. */
export interface Loss {
  /** Sentences: exactly what is lost, and what is kept. */
  readonly lines: readonly string[];
  /** Such as `Leave the network?` */
  readonly question: string;
}

/** Whether a command destroys something: with every use, or as its arguments say. */
export type Confirms<A extends Arguments> = 'always' | ((values: ArgumentValues<A>) => boolean);

/** Asks a person a question whose default answer is no. */
export type Ask = (question: string) => Promise<boolean>;

/** The option that every command that confirms has. */
export const YES = { yes: flag('do not ask first (required without a terminal)', { alias: 'y' }) };

/** Refuses a command that would have to ask where no one can answer. @throws FilerError `usage` */
export function requireTerminal(ask: Ask | undefined, command: string): void {
  if (ask !== undefined) return;
  throw new FilerError(
    'usage',
    `\`${command}\` asks before it deletes, and there is no terminal to ask on: add --yes to do it without asking`,
  );
}

/** Shows what would be lost, and asks. @throws FilerError `interrupted` unless the answer is yes */
export async function confirm(
  { lines, question }: Loss,
  { ask, output }: { readonly ask: Ask | undefined; readonly output: Output },
): Promise<void> {
  for (const line of lines) output.words(line);
  if ((await ask?.(question)) !== true) throw new FilerError('interrupted', 'nothing was changed');
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
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    const answer = await Promise.race([lines.question(`${question} [y/N] `, { signal }), ended]);
    return /^\s*y(es)?\s*$/i.test(answer);
  };
}
