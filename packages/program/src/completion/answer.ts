import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from '../command.ts';
import type { Completion } from './candidate.ts';
import { complete, type CompletionSource } from './complete.ts';
import { answerTo, lineFrom, SHELLS } from './shells.ts';

/** A shell stands still for as long as names are looked up; what takes longer is left out. */
const LOOK_UP_MS = 1_000;

/**
 * Answers a shell that completes a command line. It never fails: what cannot be looked up is not offered.
 *
 * @param argv what follows `--complete`
 */
export async function answerShell(
  commands: readonly Command[],
  argv: readonly string[],
  source: CompletionSource,
): Promise<string> {
  const [name, line = '', breaks = ''] = argv;
  const shell = SHELLS.find((each) => each === name);
  if (shell === undefined) return '';
  const cursor = lineFrom(shell, line, breaks);
  return answerTo(shell, cursor, await complete(commands, cursor.words, inTime(source)));
}

function inTime(source: CompletionSource): CompletionSource {
  return async (...asked) => {
    const none: Completion = { candidates: [] };
    const late = new AbortController();
    try {
      return await Promise.race([source(...asked), wait(LOOK_UP_MS, none, { signal: late.signal })]);
    } catch {
      return none;
    } finally {
      late.abort();
    }
  };
}
