import { execFile } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { release } from 'node:os';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { systemCode } from '@filer/protocol';
import type { Folder } from './folder.ts';

/*
 * `syncfs` brings all that was written to a file system to the disk in one go: for many small files that takes a tenth of
 * what a sync of each takes. Node has no such call: a thread makes it through `node:ffi`, and where Node has none, the
 * command `sync -f` does.
 */

/** By their magic numbers (statfs(2)): here it waits for the disk, and tells of a write that failed. */
const FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xf2f52010, // f2fs
  0x01021994, // tmpfs
]);

/** Linux tells of writes that failed from this version on. */
const LEAST_KERNEL = [5, 8];

/** One that takes longer, in ms, waits for what other programs write: then files are synced one by one for a while. */
const SLOW_SYNC_MS = 2_000;
const AFTER_SLOW_MS = 60_000;

let slowAt = -Infinity;

/** Whether all of a folder's file system can be brought to the disk in one go, and that is quick. */
export function canSyncFileSystem(folder: Folder): boolean {
  if (performance.now() - slowAt < AFTER_SLOW_MS || way() === 'none') return false;
  try {
    return FILE_SYSTEMS.has(statfsSync(folder.at('.')).type);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}

/**
 * Brings what was written to the folder's file system before this call to the disk.
 *
 * @param folder opened before anything of it was written, and written to since: it learns of each write that fails from then on
 * @throws a system error; FilerError `home-not-writable`, `no-space`
 */
export async function syncFileSystem(folder: Folder): Promise<void> {
  const startedAt = performance.now();
  try {
    if (way() === 'thread') await thread().sync(folder.descriptor);
    else await inTurn(() => byCommand(folder.path));
    // Of a journal that failed, after which a file system takes nothing, `syncfs` of many kernels says nothing.
    await folder.sync();
  } catch (error) {
    slowAt = performance.now();
    throw error;
  }
  if (performance.now() - startedAt > SLOW_SYNC_MS) slowAt = performance.now();
}

let found: 'thread' | 'command' | 'none' | undefined;

function way(): 'thread' | 'command' | 'none' {
  if (found === undefined && !isSupported()) found = 'none';
  found ??= isBuiltin('node:ffi') ? 'thread' : 'command';
  return found;
}

function isSupported(): boolean {
  if (process.platform !== 'linux') return false;
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const [least = 0, leastMinor = 0] = LEAST_KERNEL;
  return major > least || (major === least && minor >= leastMinor);
}

const run = promisify(execFile);

/** Settles when the last command that was begun has ended. */
let last: Promise<void> = Promise.resolve();

/** Each command opens the file system for itself, and only the first one learns of a write that failed: so each waits for those before it. */
function inTurn(work: () => Promise<void>): Promise<void> {
  const mine = last.then(work);
  last = mine.catch(() => undefined); // told to its caller
  return mine;
}

async function byCommand(path: string): Promise<void> {
  // The one before it may have learned of the failure that this one is for.
  if (way() === 'none') throw failure('EIO');
  try {
    await run('sync', ['-f', '--', path]);
  } catch (error) {
    // From now on each file is synced for itself.
    found = 'none';
    throw Object.assign(new Error(`the disk of ${path} could not be synced`, { cause: error }), {
      code: 'EIO',
    });
  }
}

/** What the thread runs. It prints no warning that `node:ffi` is experimental: where its calls change, the command is used. */
const THREAD = `
const { parentPort } = require('node:worker_threads');
process.emitWarning = () => undefined;
const ffi = process.getBuiltinModule('node:ffi');
const { functions } = ffi.dlopen(null, {
  syncfs: { arguments: ['i32'], return: 'i32' },
  __errno_location: { arguments: [], return: 'pointer' },
});
parentPort.on('message', ({ call, descriptor }) => {
  const failed = functions.syncfs(descriptor) !== 0;
  // Code between the two calls may change the number, never whether it failed.
  parentPort.postMessage({ call, failed, errno: failed ? ffi.getInt32(functions.__errno_location()) : 0 });
});`;

const CODES: Readonly<Record<number, string>> = { 28: 'ENOSPC', 122: 'EDQUOT' };

/** The thread in which this process waits for its disks. It keeps no process from ending. */
class SyncThread {
  readonly #worker = new Worker(THREAD, { eval: true });
  readonly #calls = new Map<number, PromiseWithResolvers<void>>();
  #last = 0;

  constructor() {
    this.#worker.on(
      'message',
      ({ call, failed, errno }: { call: number; failed: boolean; errno: number }) => {
        const waiting = this.#calls.get(call);
        this.#calls.delete(call);
        if (this.#calls.size === 0) this.#worker.unref();
        if (!failed) waiting?.resolve();
        else waiting?.reject(failure(CODES[errno] ?? 'EIO'));
      },
    );
    this.#worker.on('error', (error: Error) => this.#lost(error));
    this.#worker.on('exit', () => this.#lost(failure('EIO')));
    this.#worker.unref();
  }

  async sync(descriptor: number): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    const call = ++this.#last;
    this.#calls.set(call, waiting);
    this.#worker.ref();
    this.#worker.postMessage({ call, descriptor });
    await waiting.promise;
  }

  #lost(error: Error): void {
    if (running === this) running = undefined;
    found = 'command';
    for (const { reject } of this.#calls.values()) reject(failure(systemCode(error) ?? 'EIO', error));
    this.#calls.clear();
  }
}

let running: SyncThread | undefined;

function thread(): SyncThread {
  running ??= new SyncThread();
  return running;
}

function failure(code: string, cause?: Error): Error {
  return Object.assign(new Error(`${code}: the disk could not be synced`, { cause }), { code });
}
