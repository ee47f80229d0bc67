import { createHash } from 'node:crypto';
import { readdirSync, type BigIntStats } from 'node:fs';
import { FilerError } from '@filer/protocol';
import type { Folder } from '../disk/folder.ts';
import { isPartName, isStageName } from '../disk/safe-path.ts';
import { contentOfLink, isFolder, type Deliveries } from '../receive/deliveries.ts';
import { statsAt, type ExistingDigests } from '../receive/existing-digests.ts';
import { identityOfUnchanged, linkAt } from '../receive/ownership.ts';
import { Breaths } from './breaths.ts';
import { CarryTarget, isMounted, type CarryOptions } from './carry-target.ts';
import type { StagedItem } from './tidy-stage.ts';

/** What a release takes away, because the sender has it no longer. */
export interface StagedRemoval {
  /** As the sender would name it. */
  readonly path: string;
  readonly kind: 'file' | 'dir' | 'link';
  readonly size: number;
  readonly content: string;
}

export interface StagedTreeOptions extends CarryOptions {
  /** The folder in which the tops have their names. */
  readonly base: Folder;
  readonly stage: Folder;
  readonly find: (path: string) => StagedItem | undefined;
  /** Whether it was noted that something goes with the release. */
  readonly isGone: (path: string) => boolean;
  /** What the sender delivered below the base, by path below it. */
  readonly deliveries: Pick<Deliveries, 'find'>;
  readonly files: ExistingDigests;
  /** Whether what the sender delivered, and nothing has changed since, goes when it is not of the job. */
  readonly mirror: boolean;
  /** Whether what the sender delivered gives way also where its time was changed since. */
  readonly overwrite: boolean;
}

type Act = 'into' | 'late' | 'back' | 'late back';

/**
 * A staged tree and the one that it changes places with. What is of neither version, but was put there by somebody else, is in
 * both as one file with two names, so that it stays where it is whichever version has the name.
 */
export class StagedTree {
  readonly #options: StagedTreeOptions;
  readonly #removed = new Map<string, StagedRemoval>();
  /** What may go, by path and what was known of it when it was looked at, as hashes: there may be a million of them. */
  readonly #looked = new Set<number>();
  #conflicts = 0;
  #firstConflict = '';
  readonly #breaths = new Breaths();

  constructor(options: StagedTreeOptions) {
    this.#options = options;
  }

  /** What goes with the release. */
  get removed(): readonly StagedRemoval[] {
    return [...this.#removed.values()];
  }

  /** Brings what the job does not replace into the stage. @throws FilerError `refused` where it would replace what is not the sender's */
  async bringIn(tops: readonly string[]): Promise<void> {
    const { base, stage } = this.#options;
    for (const top of tops) await this.#top(base, stage, top, 'into');
    this.#requireNone(
      'there is not what this sender delivered: move it away there, or send without --stage, which takes another name',
    );
  }

  /**
   * What came to the old version since is in the new one, too.
   *
   * @throws FilerError `refused` where what went has changed since it was looked at: then the names are to be switched back
   */
  async bringLate(tops: readonly string[]): Promise<void> {
    const { base, stage } = this.#options;
    for (const top of tops) await this.#top(stage, base, top, 'late');
    this.#requireNone('was changed there at the moment of the release: release it again');
  }

  /** Before a rollback: what others have put there is in the old version, too. @throws FilerError `refused` where it would take away what is not as it was released */
  async bringBack(tops: readonly string[]): Promise<void> {
    const { base, stage } = this.#options;
    for (const top of tops) await this.#top(base, stage, top, 'back');
    this.#requireNone(
      'there has changed since it was released, and a rollback would take that away: move it away there first',
    );
  }

  /** @throws FilerError `refused`, as `bringLate` */
  async bringLateBack(tops: readonly string[]): Promise<void> {
    const { base, stage } = this.#options;
    for (const top of tops) await this.#top(stage, base, top, 'late back');
    this.#requireNone('was changed there at the moment of the rollback: roll it back again');
  }

  #requireNone(why: string): void {
    const [path, more] = [this.#firstConflict, this.#conflicts - 1];
    this.#conflicts = 0;
    if (more >= 0)
      throw new FilerError(
        'refused',
        `${JSON.stringify(path)}${more === 0 ? '' : ` and ${more} more`} ${why}`,
      );
  }

  /** One top, which may be some folders deep. */
  async #top(from: Folder, to: Folder, top: string, act: Act): Promise<void> {
    const [first = '', ...rest] = top.split('/');
    await using target = CarryTarget.of(to, this.#options);
    await this.#descend(from, target, first, rest, '', act);
  }

  async #descend(
    from: Folder,
    to: CarryTarget,
    name: string,
    rest: readonly string[],
    above: string,
    act: Act,
  ): Promise<void> {
    const [next, ...more] = rest;
    if (next === undefined) {
      await this.#carry(from, to, name, above, act);
      return;
    }
    using inner = from.enter(name);
    if (inner === undefined) return;
    await using target = to.below(name, inner);
    await this.#descend(inner, target, next, more, join(above, name), act);
  }

  /** @param to undefined where nothing can be: what is there must be the sender's @returns whether something was carried */
  async #carry(
    from: Folder,
    to: CarryTarget | undefined,
    name: string,
    above: string,
    act: Act,
  ): Promise<boolean> {
    const there = statsAt(from, name);
    const path = join(above, name);
    // Bytes that are not UTF-8 cannot be named from here: what has such a name would go with the folder.
    if (there === undefined && name.includes('\uFFFD')) this.#conflict(path);
    if (there === undefined || isPartName(name) || isStageName(name)) return false;
    await this.#breaths.take();
    const item = this.#options.find(path);
    if (there.isDirectory()) return await this.#carryFolder(from, to, name, path, item, act);
    const isLate = act === 'late' || act === 'late back';
    const looked = hashOf(path, there, above === '');
    if (item !== undefined || (act === 'late' && (to === undefined || this.#options.isGone(path)))) {
      if (isLate && this.#looked.has(looked)) return false;
      if (await this.#mayGo(from, name, there, path, item, act)) this.#looked.add(looked);
      else this.#conflict(path);
      return false;
    }
    if (act === 'into' && (await this.#goes(from, name, there, path, to === undefined))) {
      this.#looked.add(looked);
      return false;
    }
    if (to === undefined) {
      this.#conflict(path);
      return false;
    }
    if (isLate && to.has(name)) {
      if (!this.#looked.has(looked) && !to.isSame(from, name)) this.#conflict(path);
      return false;
    }
    await to.take(from, name);
    const taken = statsAt(from, name);
    if (taken !== undefined) this.#looked.add(hashOf(path, taken, above === ''));
    return true;
  }

  async #carryFolder(
    from: Folder,
    to: CarryTarget | undefined,
    name: string,
    path: string,
    item: StagedItem | undefined,
    act: Act,
  ): Promise<boolean> {
    using inner = from.enter(name);
    if (inner === undefined) return false;
    if (inner.isMountedApart(from)) throw isMounted(path);
    const isBlocked = to === undefined || (item !== undefined && item.kind !== 'dir');
    await using target = isBlocked ? undefined : to.below(name, inner);
    let carried = false;
    const names = readdirSync(inner.at('.'));
    for (const each of names) carried = (await this.#carry(inner, target, each, path, act)) || carried;
    if (isBlocked && (act === 'back' || act === 'late back')) {
      this.#conflict(path); // the job has, and had, something else there
      return false;
    }
    if (
      (item !== undefined && !isBlocked) ||
      carried ||
      (act === 'late' && (isBlocked || this.#options.isGone(path)))
    )
      return carried;
    const delivered = this.#options.deliveries.find(path);
    if (act === 'into' && isFolder(delivered?.content) && (this.#options.mirror || target === undefined)) {
      if (target !== undefined) this.#removed.set(path, { path, kind: 'dir', size: 0, content: '' });
      return false;
    }
    if (target === undefined) {
      if (names.length === 0) this.#conflict(path);
      return false;
    }
    if ((act === 'late' || act === 'late back') && to?.has(name) === true) return false;
    return target.folder.path !== ''; // made, as it is there
  }

  /**
   * Whether what is of the version that goes may go with it: before a release what this sender delivered, and before a rollback
   * what was released.
   *
   * @param item undefined for what is not of the job
   */
  async #mayGo(
    folder: Folder,
    name: string,
    there: BigIntStats,
    path: string,
    item: StagedItem | undefined,
    act: Act,
  ): Promise<boolean> {
    const { overwrite, deliveries } = this.#options;
    const isRelease = act === 'into' || act === 'late';
    if (isRelease && (await this.#isUnchanged(folder, name, there, path, overwrite))) return true;
    // What another sender has delivered since, the same file too, is not this one's any longer.
    if (item === undefined || deliveries.find(path) === undefined) return false;
    return await this.#isItem(folder, name, item);
  }

  async #isItem(folder: Folder, name: string, item: StagedItem): Promise<boolean> {
    if (item.kind === 'link') return linkAt(folder, name) === contentOfLink(item.content);
    if (item.kind === 'dir') return false;
    return (await this.#options.files.at(folder, name, item.size))?.digest === item.content;
  }

  /** Whether it goes, because the sender has delivered it and has it no longer. */
  async #goes(
    folder: Folder,
    name: string,
    there: BigIntStats,
    path: string,
    isBlocked: boolean,
  ): Promise<boolean> {
    if (!this.#options.mirror && !isBlocked) return false;
    if (!(await this.#isUnchanged(folder, name, there, path))) return false;
    const content = this.#options.deliveries.find(path)?.content ?? '';
    if (this.#options.mirror) {
      const kind = there.isSymbolicLink() ? 'link' : 'file';
      this.#removed.set(path, { path, kind, size: kind === 'file' ? Number(there.size) : 0, content });
    }
    return true;
  }

  async #isUnchanged(
    folder: Folder,
    name: string,
    there: BigIntStats,
    path: string,
    whateverTime = false,
  ): Promise<boolean> {
    const { deliveries, files } = this.#options;
    const found = deliveries.find(path);
    if (found === undefined || !(there.isFile() || there.isSymbolicLink())) return false;
    const delivered = whateverTime ? { ...found, mtimeNs: undefined } : found;
    return (await identityOfUnchanged(folder, name, there, delivered, files)) !== undefined;
  }

  #conflict(path: string): void {
    if (this.#conflicts++ === 0) this.#firstConflict = path;
  }
}

/** @param isTop whose change time a new name touches */
function hashOf(path: string, there: BigIntStats, isTop: boolean): number {
  const { dev, ino, size, mtimeNs, ctimeNs } = there;
  const facts = [dev, ino, size, mtimeNs, isTop ? '' : ctimeNs].join(':');
  return createHash('sha256').update(`${facts} ${path}`).digest().readUIntBE(0, 6);
}

function join(above: string, name: string): string {
  return above === '' ? name : `${above}/${name}`;
}
