import { chmodSync, linkSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { FilerError, systemCode } from '@filer/protocol';
import type { Folder } from '../disk/folder.ts';
import { STAGE_PREFIX } from '../disk/safe-path.ts';
import { exchange, identityAt } from './exchange.ts';

/** Two names, one of them in a stage, whose files change places. */
export interface Pair {
  readonly folder: Folder;
  readonly name: string;
  /** In the stage. */
  readonly hidden: Folder;
  /** The stage itself. */
  readonly stage: Folder;
}

/**
 * Gives what is in a stage its name, and what has that name the place in the stage; one of the two may be nothing. A reader of the
 * name finds the one or the other, whole. Where a folder takes part and the system cannot exchange, for a moment neither.
 *
 * May be called again after a kill, whatever it came to.
 *
 * @param wanted the identity that the name is to have; undefined for nothing
 * @throws FilerError `unsupported` where both are in different file systems, `home-not-writable`
 */
export async function swap(pair: Pair, wanted: string | undefined): Promise<void> {
  const { folder, hidden, name, stage } = pair;
  const [at, from, aside] = [folder.at(name), hidden.at(name), stage.at(`${STAGE_PREFIX}aside`)];
  try {
    if (identityAt(at) !== wanted) {
      const there = identityAt(at);
      if (wanted === undefined) moveAway(at, from);
      else if (there === undefined) moveAway(from, at);
      else if (!(await writable([at, from], () => exchange(at, from)))) inTurn(at, from, aside);
    }
    if (identityAt(aside) === undefined) return;
    if (identityAt(from) === undefined) renameSync(aside, from);
    else rmSync(aside); // a second name of what is there
  } catch (error) {
    throw swapError(name, error);
  }
}

function moveAway(from: string, to: string): void {
  withWrite([from, to], () => renameSync(from, to));
}

/** A file has its old name until the very moment in which the new one takes it; a folder gives it up just before. */
function inTurn(at: string, from: string, aside: string): void {
  withWrite([at, from, aside], () => {
    try {
      if (lstatSync(from).isDirectory() || lstatSync(at).isDirectory()) renameSync(at, aside);
      else linkSync(at, aside);
    } catch (error) {
      if (systemCode(error) !== 'EPERM') throw error;
      renameSync(at, aside); // a file system without links
    }
    renameSync(from, at);
  });
}

async function writable<T>(paths: readonly string[], work: () => Promise<T>): Promise<T> {
  const modes = open(paths);
  try {
    return await work();
  } finally {
    restore(modes);
  }
}

function withWrite(paths: readonly string[], work: () => void): void {
  const modes = open(paths);
  try {
    work();
  } finally {
    restore(modes);
  }
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
  if (code === undefined) return cause;
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
