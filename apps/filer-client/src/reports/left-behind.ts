import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { systemCode } from '@filer/protocol';

/** Variable that names a run of a schedule: what a command starts inherits it. */
export const RUN_VARIABLE = 'FILER_RUN';

/** Between the polite signal and the other one, in ms. */
const GRACE_MS = 5_000;

/** Meanwhile it is looked after this time whether they are gone, in ms. */
const LOOK_MS = 50;

/**
 * Ends what runs of schedules left when their daemon was killed: every process that has the name of such a run among its
 * variables, also one that left its process group. Only where the system shows them (Linux); a process id alone would not
 * do, since it may be somebody else's by now.
 *
 * @returns how many processes there were
 */
export async function endLeftBehind(runs: readonly string[], signal: AbortSignal): Promise<number> {
  const found = await processesOf(runs);
  for (const pid of found) kill(pid, 'SIGTERM');
  for (let waitedMs = 0; waitedMs < GRACE_MS && !signal.aborted; waitedMs += LOOK_MS) {
    if ((await processesOf(runs)).length === 0) return found.length;
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined); // `aborted` tells
  }
  for (const pid of await processesOf(runs)) kill(pid, 'SIGKILL');
  return found.length;
}

async function processesOf(runs: readonly string[]): Promise<number[]> {
  if (runs.length === 0) return [];
  const marks = runs.map((run) => `\0${RUN_VARIABLE}=${run}\0`);
  const found: number[] = [];
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^[0-9]+$/.test(pid)) continue;
    // Of other users it cannot be read, and of one that has just ended it is empty.
    const variables = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    if (marks.some((mark) => `\0${variables}`.includes(mark))) found.push(Number(pid));
  }
  return found;
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH' && systemCode(error) !== 'EPERM') throw error;
  }
}
