import { setTimeout as wait } from 'node:timers/promises';

/** A network file system that does not answer for so long is away, in ms. */
const ANSWER_MS = 5_000;

export const NO_ANSWER = 'it does not answer';

interface Look {
  readonly answer: Promise<string | Error>;
  /** By `performance.now()`. */
  readonly since: number;
}

/** Those that have not ended: each holds one of the few threads for files, so a folder has one. */
const looks = new Map<string, Look>();

/**
 * Looks at a folder of which calls may wait forever. What is received is written in the thread that serves all machines, so what a
 * look shows comes before it.
 *
 * @param path names the look: what is looked for in another way at the same folder has another path
 * @param look uses no call that waits in this thread
 * @returns what it found, or NO_ANSWER after some seconds, at once where an earlier look still waits
 */
export async function lookAt(path: string, look: () => Promise<string | Error>): Promise<string | Error> {
  let known = looks.get(path);
  if (known === undefined) {
    known = { answer: look().finally(() => looks.delete(path)), since: performance.now() };
    looks.set(path, known);
  }
  const leftMs = ANSWER_MS - (performance.now() - known.since);
  if (leftMs <= 0) return NO_ANSWER;
  const late = new AbortController();
  return await Promise.race([
    known.answer,
    wait(leftMs, NO_ANSWER, { ref: false, signal: late.signal }).catch(() => NO_ANSWER),
  ]).finally(() => late.abort());
}
