import { chmodSync, lstatSync, renameSync } from 'node:fs';
import { FilerError, systemCode } from '@filer/protocol';
import type { Folder } from '../disk/folder.ts';
import { identityAt, type Exchanger } from './exchange.ts';

/** Two names, one of them in a stage, whose files change places. */
export interface Pair {
  readonly folder: Folder;
  readonly name: string;
  /** In the stage. */
  readonly hidden: Folder;
}

/** One name that changes places with what is in the stage: what it is to have, and what it had before, as `inodeAt` tells; null for nothing. */
export interface Switch {
  readonly top: string;
  readonly wanted: string | null;
  readonly before: string | null;
}

/** What the name has now, and what has it in the stage; undefined for nothing, and where the way to it is no folder. */
export interface Found {
  readonly at: string | undefined;
  readonly from: string | undefined;
}

/**
 * Whether the name has what it is to have, as far as the inodes of both sides tell.
 *
 * @throws FilerError `refused` where they do not: then nothing is to be touched
 */
export function hasSwapped({ top, wanted, before }: Switch, { at, from }: Found): boolean {
  if (wanted === null && before === null) return true;
  const isSwapped =
    (wanted !== null && at === wanted && from !== wanted) ||
    (before !== null && from === before && at !== before);
  const isToBe =
    (wanted !== null && from === wanted && at !== wanted) ||
    // What came to the name meanwhile is in the stage, and gets its name back.
    (before !== null && at === before && from !== before && (wanted === null || from !== undefined));
  if (isSwapped !== isToBe) return isSwapped;
  // The one thing that there was has been moved away, with the folder above it perhaps: there is nothing to switch.
  if ((wanted === null || before === null) && at === undefined && from === undefined) return true;
  throw new FilerError(
    'refused',
    `${JSON.stringify(top)} or what was staged for it was moved by another program, so that nothing is switched: look into its folder`,
  );
}

/**
 * Gives what is in a stage its name, and what has that name the place in the stage, in one step; one of the two may be nothing.
 * A reader of the name finds the one or the other, whole.
 *
 * @throws FilerError `unsupported` where the file system cannot exchange two names, or both are in different ones; `refused`,
 *   `home-not-writable`; then nothing has changed
 */
export async function swap({ folder, hidden, name }: Pair, exchanger: Exchanger): Promise<void> {
  const [at, from] = [folder.at(name), hidden.at(name)];
  let modes: ReturnType<typeof open> | undefined;
  try {
    modes = open([at, from]);
    if (identityAt(from) === undefined) renameSync(at, from);
    else if (identityAt(at) === undefined) renameSync(from, at);
    else if (!(await exchanger.exchange(at, from))) throw cannotExchange(name);
  } catch (error) {
    throw swapError(name, error);
  } finally {
    if (modes !== undefined) restore(modes);
  }
}

/** @param what a name, or a folder */
export function cannotExchange(what: string): FilerError {
  return new FilerError(
    'unsupported',
    `${JSON.stringify(what)} is where two names cannot be exchanged in one step, which a release needs: send it without --stage, or install coreutils 9.5, perl or python3 there and start its daemon again (network file systems cannot)`,
  );
}

/** A folder that may not be written to gets no other parent. @returns what it had, by identity */
function open(paths: readonly string[]): { paths: readonly string[]; modes: Map<string, number> } {
  const modes = new Map<string, number>();
  for (const path of paths) {
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory() !== true || (there.mode & 0o200) !== 0) continue;
    modes.set(identityAt(path) ?? '', there.mode & 0o777);
    chmodSync(path, (there.mode & 0o777) | 0o700);
  }
  return { paths, modes };
}

function restore({ paths, modes }: ReturnType<typeof open>): void {
  if (modes.size === 0) return;
  for (const path of paths) {
    const mode = modes.get(identityAt(path) ?? '');
    if (mode !== undefined) chmodSync(path, mode);
  }
}

function swapError(name: string, cause: unknown): unknown {
  const code = systemCode(cause);
  if (code === undefined || cause instanceof FilerError) return cause;
  const what = JSON.stringify(name);
  if (code === 'EXDEV')
    return new FilerError(
      'unsupported',
      `${what} is on another disk than its staged files, so that it cannot be released at once: send it without --stage`,
      { cause },
    );
  return new FilerError('home-not-writable', `${what} cannot be given to what was staged (${code})`, {
    cause,
  });
}
