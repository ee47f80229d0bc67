import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const fixtures = new URL('../fixtures/', import.meta.url);

export type Child = ChildProcessByStdio<null, Readable, Readable>;

/** Starts a program of `test/fixtures/program` on the sources. */
export function start(name: string, ...argv: string[]): Child {
  const file = (path: string) => fileURLToPath(new URL(path, fixtures));
  return spawn(process.execPath, ['--import', file('sources.ts'), file(`program/${name}.ts`), ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Waits until the child has printed its first words, and returns them. */
export async function firstWords(child: Child): Promise<string> {
  const words = await Promise.race([once(child.stdout, 'data'), once(child.stdout, 'end')]);
  if (words.length === 0) throw new Error(`the child ended without a word: ${await text(child.stderr)}`);
  return String(words[0]);
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Waits for the child's end; call it before what ends the child. */
export async function ended(child: Child): Promise<Ended> {
  const words = text(child.stderr);
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stderr: await words };
}
