import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { systemCode } from '@filer/protocol';

/** How long making a pipe may take, in ms. */
const TIMEOUT_MS = 5_000;

/** A pipe that takes the place of both standard output and standard error. */
export interface JoinedOutput {
  /** Ends when all who write have closed. */
  readonly reader: Readable;
  /** Of this process; to be closed once a child has it. */
  readonly writer: number;
}

/**
 * Makes a pipe. Node gives each output of a child a pair of sockets of its own, which loses the order between the two, and a
 * socket cannot be opened as `/dev/stderr`. Node has no pipe(2), so it is a FIFO that loses its name at once.
 *
 * @returns undefined where none can be made: without room for temporary files, or without `mkfifo`
 */
export async function joinedOutput(): Promise<JoinedOutput | undefined> {
  let folder: string | undefined;
  let source: number | undefined;
  try {
    folder = await mkdtemp(join(tmpdir(), 'filer-output-'));
    const path = join(folder, 'pipe');
    await promisify(execFile)('mkfifo', ['-m', '600', path], { timeout: TIMEOUT_MS });
    // Without O_NONBLOCK this waits for one who writes; with a reader, opening for writing waits for nothing.
    source = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(path, constants.O_WRONLY);
    return { reader: new Socket({ fd: source, readable: true, writable: false }), writer };
  } catch (error) {
    if (source !== undefined) closeSync(source);
    if (systemCode(error) === undefined && !isEndOfChild(error)) throw error;
    return undefined;
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Whether `mkfifo` ran and failed: then the error has its exit code. */
function isEndOfChild(error: unknown): boolean {
  return error instanceof Error && 'cmd' in error;
}
