import { lstatSync, readdirSync, renameSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import { FOLDER } from '../receive/deliveries.ts';
import { statsAt } from '../receive/existing-digests.ts';
import { numberedName } from './final-name.ts';
import type { Folder } from './folder.ts';
import type { Hidden } from './hidden.ts';
import { identityOf } from '../digests/known-digests.ts';

/**
 * What may give way to something that came: a file or link by its identity, or a folder with all that it holds, by path
 * below it (a folder is `FOLDER`).
 */
export type Replaceable = { readonly identity: string } | { readonly tree: ReadonlyMap<string, string> };

/**
 * Gives something the name of a file or link that it replaces: at every moment one of the two is there, whole.
 *
 * @param identity of what may go. @see identityOf
 * @returns whether it went: not one that was written to, or took the name, since it was looked at
 */
export function replaceFile(by: Hidden, into: Folder, name: string, identity: string): boolean {
  if (!isStill(into, name, identity)) return false;
  renameSync(by.folder.at(by.file), into.at(name));
  return true;
}

function isStill(into: Folder, name: string, identity: string): boolean {
  const there = statsAt(into, name);
  return there !== undefined && identityOf(there) === identity;
}

/**
 * Something that gives way under a hidden name until what replaces it has its place. Needed where a folder is replaced
 * or replaces: no file system exchanges those in one step, so that for a moment neither is there.
 */
export class Aside {
  readonly #into: Folder;
  readonly #name: string;
  readonly #hidden: Hidden;

  private constructor(into: Folder, name: string, hidden: Hidden) {
    this.#into = into;
    this.#name = name;
    this.#hidden = hidden;
  }

  /** @returns undefined when it is not what it was when it was looked at, or cannot be moved: then it stays */
  static take(into: Folder, name: string, what: Replaceable, hidden: Hidden): Aside | undefined {
    if ('identity' in what && !isStill(into, name, what.identity)) return undefined;
    try {
      if ('tree' in what) {
        using folder = into.open(name);
        folder.makeFillable(); // one that may not be written to gets no other parent
      }
      renameSync(into.at(name), hidden.folder.at(hidden.file));
    } catch (error) {
      if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
      return undefined; // another file system, a mount point
    }
    const aside = new Aside(into, name, hidden);
    // Under its hidden name nothing new gets into it by its path, and no other one is taken for it.
    if ('tree' in what ? isTree(aside.#path, what.tree) : isSameFile(aside.#path, what.identity))
      return aside;
    aside.back();
    return undefined;
  }

  get #path(): string {
    return this.#hidden.folder.at(this.#hidden.file);
  }

  /** It has its name again: or, where that was taken meanwhile, the next one. */
  back(): void {
    let n = 0;
    while (statsAt(this.#into, numberedName(this.#name, n)) !== undefined) n++;
    renameSync(this.#path, this.#into.at(numberedName(this.#name, n)));
  }

  /** What replaces it is in its place. What cannot be removed is hidden, and removed with what killed transfers left. */
  async remove(): Promise<void> {
    try {
      await removeTree(this.#path);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }
}

/** Whether a file or link is the one of an identity, but for its change time, which a new name touches. */
function isSameFile(path: string, identity: string): boolean {
  const there = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return there !== undefined && withoutChange(identityOf(there)) === withoutChange(identity);
}

function withoutChange(identity: string): string {
  return identity.slice(0, identity.lastIndexOf(':'));
}

/** Removes a file, a link or a folder with all that is in it, whatever permissions its folders were sent with. */
export async function removeTree(path: string): Promise<void> {
  const folders = lstatSync(path).isDirectory() ? [path] : [];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    await chmod(folder, 0o700);
    for (const item of readdirSync(folder, { withFileTypes: true }))
      if (item.isDirectory()) folders.push(join(folder, item.name));
  }
  await rm(path, { recursive: true, force: true });
}

/** Whether a folder holds what it held, and nothing else. */
function isTree(root: string, tree: ReadonlyMap<string, string>): boolean {
  let found = 0;
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    found++;
    for (const name of readdirSync(join(root, folder))) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const there = lstatSync(join(root, path), { bigint: true });
      const expected = tree.get(path);
      if (expected === undefined) return false;
      if (there.isDirectory() && expected === FOLDER) folders.push(path);
      else if (identityOf(there) === expected) found++;
      else return false;
    }
  }
  return found === tree.size;
}
