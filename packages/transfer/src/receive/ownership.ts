import { hash } from 'node:crypto';
import { readdirSync, readlinkSync, type BigIntStats } from 'node:fs';
import { systemCode, type OnConflict } from '@filer/protocol';
import {
  contentOfFolder,
  contentOfLink,
  isClosed,
  FOLDER,
  isFolder,
  type Deliveries,
  type Delivered,
} from './deliveries.ts';
import { isOlder, statsAt, type ExistingDigests } from './existing-digests.ts';
import type { Folder } from '../disk/folder.ts';
import { identityOf } from '../digests/known-digests.ts';
import { isOwn } from '../disk/own-files.ts';
import type { DestinationFolder } from '../disk/destination-folder.ts';
import type { Replaceable } from '../disk/replacing.ts';
import { secondsOf } from '../disk/times.ts';

/** A folder that holds more is not replaced by a file: looking through it keeps all else waiting. */
const MAX_TREE = 10_000;

/** Copies and archives that hold whole seconds may round them to an even one. */
const WHOLE_SECONDS_NS = 2_000_000_000n;
const SECOND_NS = 1_000_000_000n;

export interface OwnershipOptions {
  readonly place: DestinationFolder;
  readonly onConflict: OnConflict;
  /** What the sender delivered before. */
  readonly deliveries: Deliveries;
  /** `all`: files and links are replaced whichever machine made them, since they belong to the user who asked for new ones. */
  readonly replaces: 'own' | 'all';
  /** The job that is being received. */
  readonly job: string;
  /** When it began here, ms since the epoch. */
  readonly beganAt: number | undefined;
  readonly files: ExistingDigests;
  /** Whether what stands for no entry is to be removed at the end. */
  readonly mirror: boolean;
}

/** Whether what is at a path stands for an entry of this transfer: itself, or something whose path differs only in case. */
export type Standing = 'yes' | 'by another case' | 'no';

/** The rule about names that are taken: a sender replaces what it delivered itself, and what nothing has changed since. */
export class Ownership {
  readonly #options: OwnershipOptions;
  /** Paths that stand for an entry of this transfer, as hashes: there may be a million of them. */
  readonly #standing = new Set<number>();
  /** The same, whatever the case of their letters. */
  readonly #standingFolded = new Set<number>();
  /** Names of entries that may be the file that has the name, and of how many. */
  readonly #compared = new Map<string, number>();

  constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  /** Whether what has the name stays, and what is announced does not come. */
  keeps(there: BigIntStats, mtimeNs: bigint): boolean {
    const { onConflict } = this.#options;
    return onConflict === 'skip' || (onConflict === 'newer' && !isOlder(there, mtimeNs));
  }

  /** What has the name of something that came, if that may take its place. */
  async replaceable(
    folder: Folder,
    components: readonly string[],
    mtimeNs: bigint,
  ): Promise<Replaceable | undefined> {
    const { onConflict, replaces, place } = this.#options;
    const name = components.at(-1) ?? '';
    const there = statsAt(folder, name);
    if (there === undefined || onConflict === 'rename' || this.keeps(there, mtimeNs)) return undefined;
    if (this.#isStanding(components, name)) return undefined;
    if (there.isDirectory()) {
      // One that this transfer fills is not taken away under its files.
      if (place.isInUse(components)) return undefined;
      const tree = new Map<string, string>();
      return (await this.#addTree(tree, folder, components, '')) ? { tree } : undefined;
    }
    if (replaces === 'all')
      return (there.isFile() && !isOwn(there)) || there.isSymbolicLink()
        ? { identity: identityOf(there) }
        : undefined;
    const identity = await this.#identityOfOwn(folder, components, there);
    return identity === undefined ? undefined : { identity };
  }

  /** What has this name stands for an entry of this transfer: another entry of the same path does not replace it. */
  stands(components: readonly string[], name: string): void {
    const path = this.#pathOf(components, name);
    this.#standing.add(hashOf(path));
    if (this.#options.mirror) this.#standingFolded.add(hashOf(folded(path)));
  }

  /** An entry may be the file that has its name: until its sender has compared the two, another one does not replace it. */
  compares(name: string): void {
    this.#compared.set(name, (this.#compared.get(name) ?? 0) + 1);
  }

  /** The sender said whether it is. */
  compared(name: string): void {
    const left = (this.#compared.get(name) ?? 0) - 1;
    if (left > 0) this.#compared.set(name, left);
    else this.#compared.delete(name);
  }

  #isStanding(components: readonly string[], name: string): boolean {
    const standing = this.#standing.has(hashOf(this.#pathOf(components, name)));
    return standing || this.#compared.has([...components.slice(0, -1), name].join('/'));
  }

  /** Of transfers that remove what stands for nothing. @param path relative to the inbox */
  standing(path: string): Standing {
    if (this.#standing.has(hashOf(path))) return 'yes';
    return this.#standingFolded.has(hashOf(folded(path))) ? 'by another case' : 'no';
  }

  /**
   * Whether something under a later `name (n)` may stand for what is announced, if it is identical. Where the sender's
   * newest is to have the name itself it may not, but for what an earlier connection of the same job had to rename.
   */
  mayStandFor(components: readonly string[], name: string): boolean {
    const { onConflict, replaces, job } = this.#options;
    if (replaces === 'all') return onConflict === 'rename';
    const delivered = this.#find(components, name);
    return delivered !== undefined && (onConflict === 'rename' || delivered.job === job);
  }

  /** Whether a file is still what the sender delivered: then its time and permissions are the sender's too. */
  hasDelivered(components: readonly string[], name: string, content: string): boolean {
    return this.#options.replaces === 'all' || this.#find(components, name)?.content === content;
  }

  /**
   * Remembers a file that is identical to what is announced, if this very job put it in place over an earlier connection
   * and its receiver was killed before it noted it: it has the sender's time, and came to be since the job began.
   */
  async adopt(folder: Folder, components: readonly string[], digest: string, mtimeNs: bigint): Promise<void> {
    const { beganAt = Infinity } = this.#options;
    const name = components.at(-1) ?? '';
    const there = statsAt(folder, name);
    if (there === undefined || Number(there.ctimeNs / 1_000_000n) < beganAt) return;
    if (!isOfTime(there.mtimeNs, mtimeNs) || this.#find(components, name)?.content === digest) return;
    await this.note(components, name, digest, there.mtimeNs);
  }

  /** Remembers what was put in place. Resolves when that is kept. */
  async note(
    components: readonly string[],
    name: string,
    content: string,
    mtimeNs: bigint | undefined,
  ): Promise<void> {
    const { deliveries, job } = this.#options;
    this.stands(components, name);
    await deliveries.note(this.#pathOf(components, name), { content, mtimeNs, job });
  }

  /** What was there already counts as delivered to this sender too. @returns undefined when there is nothing to wait for */
  shared(components: readonly string[], name: string): Promise<void> | undefined {
    return this.#options.deliveries.shared(this.#pathOf(components, name));
  }

  /** Remembers a folder that was made, or that this sender had made before and now sends without the right to fill it. */
  async noteFolder(components: readonly string[], mode: number, made: boolean): Promise<void> {
    const name = components.at(-1) ?? '';
    if (made || (isClosed(mode) && this.#find(components, name)?.content === FOLDER))
      await this.note(components, name, contentOfFolder(mode), undefined);
  }

  #find(components: readonly string[], name: string): Delivered | undefined {
    return this.#options.deliveries.find(this.#pathOf(components, name));
  }

  /** @param components of something in the same folder */
  #pathOf(components: readonly string[], name: string): string {
    return this.#options.place.pathOf(components.slice(0, -1), name);
  }

  /** The identity of a file or link that is the sender's, as it was delivered. */
  async #identityOfOwn(
    folder: Folder,
    components: readonly string[],
    there: BigIntStats,
  ): Promise<string | undefined> {
    const name = components.at(-1) ?? '';
    const delivered = this.#find(components, name);
    if (delivered === undefined) return undefined;
    // `overwrite` and `newer` are about content alone.
    if (this.#options.onConflict === 'update' && !isOfTime(there.mtimeNs, delivered.mtimeNs))
      return undefined;
    return await identityOfSame(folder, name, there, delivered, this.#options.files);
  }

  /**
   * Adds all of a folder, by path below it, if all of it is the sender's.
   *
   * @param path of this folder below the outermost
   */
  async #addTree(
    tree: Map<string, string>,
    folder: Folder,
    components: readonly string[],
    path: string,
  ): Promise<boolean> {
    const name = components.at(-1) ?? '';
    if (!isFolder(this.#find(components, name)?.content) || this.#isStanding(components, name)) return false;
    tree.set(path, FOLDER);
    using inner = folder.open(name);
    for (const each of namesIn(inner)) {
      const below = [...components, each];
      const there = statsAt(inner, each);
      if (there === undefined || tree.size >= MAX_TREE) return false;
      const pathBelow = path === '' ? each : `${path}/${each}`;
      if (there.isDirectory()) {
        if (!(await this.#addTree(tree, inner, below, pathBelow))) return false;
      } else {
        const identity = this.#isStanding(below, each)
          ? undefined
          : await this.#identityOfOwn(inner, below, there);
        if (identity === undefined) return false;
        tree.set(pathBelow, identity);
      }
    }
    return true;
  }
}

/** The identity of a file or link that still is what was delivered, its time included. */
export async function identityOfUnchanged(
  folder: Folder,
  name: string,
  there: BigIntStats,
  delivered: Delivered,
  files: ExistingDigests,
): Promise<string | undefined> {
  if (!isOfTime(there.mtimeNs, delivered.mtimeNs)) return undefined;
  return await identityOfSame(folder, name, there, delivered, files);
}

/** The same, whatever its time is. */
async function identityOfSame(
  folder: Folder,
  name: string,
  there: BigIntStats,
  { content }: Delivered,
  files: ExistingDigests,
): Promise<string | undefined> {
  if (there.isSymbolicLink()) return linkAt(folder, name) === content ? identityOf(there) : undefined;
  const file = await files.at(folder, name, Number(there.size));
  return file?.digest === content ? file.identity : undefined;
}

/** The content of a link; undefined for anything else. */
export function linkAt(folder: Folder, name: string): string | undefined {
  try {
    return contentOfLink(readlinkSync(folder.at(name)));
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

function folded(path: string): string {
  return path.normalize('NFC').toLowerCase();
}

function hashOf(path: string): number {
  return hash('sha256', path, 'buffer').readUIntBE(0, 6);
}

function namesIn(folder: Folder): string[] {
  return readdirSync(folder.at('.'));
}

/**
 * Whether a time is the one that was remembered: to the microsecond, or where a file system or an archive that the
 * inbox came through holds whole seconds, to these. One that was not remembered says nothing.
 */
function isOfTime(foundNs: bigint, rememberedNs: bigint | undefined): boolean {
  if (rememberedNs === undefined || secondsOf(foundNs) === secondsOf(rememberedNs)) return true;
  const off = foundNs - rememberedNs;
  return foundNs % SECOND_NS === 0n && off < WHOLE_SECONDS_NS && -off < WHOLE_SECONDS_NS;
}
