import { setImmediate as turn } from 'node:timers/promises';
import { FilerError, MAX_BATCH_NAME_CHARS, type Entry, type EntryAnswer } from '@filer/protocol';
import { contentOfLink, FOLDER } from './deliveries.ts';
import { sealOf } from './digests.ts';
import { statsAt } from './files-there.ts';
import type { FilledFolders } from './filled-folders.ts';
import type { FreeSpace, Promised } from './free-space.ts';
import { asideIn } from './hidden.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import type { KeptParts, KeptPlace } from './kept-parts.ts';
import { makeLink } from './made-link.ts';
import { linkAt, type Ownership } from './ownership.ts';
import type { Place } from './place.ts';
import type { Found, Present } from './present.ts';
import {
  judgeEntry,
  takeAllowed,
  takeRoom,
  type Allowance,
  type ReceivePolicy,
  type Room,
} from './receive-policy.ts';
import type { FileFacts } from './refresh-present.ts';
import { Aside } from './replacing.ts';
import { SideWork } from './side-work.ts';
import type { Identical } from './vouching.ts';
import type { WantedEntries } from './wanted-entries.ts';

/** Deciding about entries waits for little: this long it may hold up all else, in ms. */
const TURN_MS = 10;

/** Things that were made, and may be noted together. */
const MAX_NOTES = 1_024;

export interface DecidingOptions {
  readonly place: Place;
  readonly parts: KeptParts;
  readonly present: Present;
  readonly ownership: Ownership;
  /** In the names of what is hidden. */
  readonly mark: string | undefined;
  readonly space: FreeSpace;
  readonly policy: ReceivePolicy;
  /** What may still come of the offer; counted down. */
  readonly allowance: Allowance;
  readonly sync: boolean;
  /** Aborted when the sender is gone: what is still to be decided is not. */
  readonly gone: AbortSignal;
}

/** Where what was decided goes. */
interface Decided {
  readonly entries: WantedEntries;
  readonly folders: FilledFolders;
  /** A file that needs not come. */
  readonly identical: (file: Identical) => void;
}

/** Decides about announced entries: makes folders and links, asks for files, or knows that they are there. */
export class Deciding {
  readonly #options: DecidingOptions;
  readonly #owner: Pick<IncomingOwner, 'result' | 'follow'>;
  readonly #entries: WantedEntries;
  readonly #folders: FilledFolders;
  readonly #identical: (file: Identical) => void;
  /** Folders and links that were made, and are being noted. */
  readonly #notes: SideWork;
  /** Of the files that the answer to one batch names. */
  #namedChars = 0;

  constructor(options: DecidingOptions, owner: Pick<IncomingOwner, 'result' | 'follow'>, decided: Decided) {
    this.#options = options;
    this.#owner = owner;
    this.#notes = new SideWork((work) => owner.follow(work), MAX_NOTES);
    this.#entries = decided.entries;
    this.#folders = decided.folders;
    this.#identical = decided.identical;
  }

  /**
   * Decides about a batch of entries.
   *
   * @param first the number of the first
   * @throws FilerError `unexpected-message` when too many are announced ahead, `home-not-writable`,
   *   `connection-closed`
   */
  async decide(first: number, entries: readonly Entry[]): Promise<EntryAnswer[]> {
    this.#entries.requireRoom(entries.length);
    const left = await this.#options.space.left(entries.reduce((bytes, { size }) => bytes + size, 0));
    const answers: EntryAnswer[] = [];
    this.#namedChars = 0;
    let since = performance.now();
    while (answers.length < entries.length) {
      const until = since + TURN_MS;
      const some = (): Promise<EntryAnswer> | undefined =>
        this.#decideSome(first, entries, { left, answers, until });
      const waiting = this.#options.present.together(some);
      if (waiting !== undefined) answers.push(await waiting);
      // A path may be hundreds of folders deep, and each is open until its name is on the disk.
      if (this.#options.place.isCrowded) await this.#options.place.thinOut();
      if (performance.now() - since > TURN_MS) {
        await turn();
        since = performance.now();
      }
      if (this.#options.gone.aborted)
        throw new FilerError('connection-closed', 'the sender left while its files were compared');
    }
    await this.#notes.ended(); // what is said to be made is remembered
    await this.#folders.settled(this.#entries.firstPending);
    return answers;
  }

  /**
   * Decides about the next entries as long as that needs no waiting, and its time is not over.
   *
   * @returns the decision that does
   */
  #decideSome(
    first: number,
    entries: readonly Entry[],
    { left, answers, until }: { left: Room; answers: EntryAnswer[]; until: number },
  ): Promise<EntryAnswer> | undefined {
    for (const entry of entries.slice(answers.length)) {
      const answer = this.#decide(first + answers.length, entry, left);
      if (answer instanceof Promise) return answer;
      answers.push(answer);
      if (this.#options.place.isCrowded || performance.now() > until) break;
    }
    return undefined;
  }

  #decide(number: number, entry: Entry, left: Room): EntryAnswer | Promise<EntryAnswer> {
    const { policy, allowance, present } = this.#options;
    const refuse = (error: unknown): EntryAnswer => this.#refuse(entry, error);
    try {
      const components = judgeEntry(entry, policy, allowance.names);
      if (policy.leavesOut?.(entry) === true) return { answer: 'unwanted' };
      this.#folders.announced(number, components);
      if (entry.kind !== 'file') takeRoom(left, 0);
      if (entry.kind === 'dir') return this.#makeFolder(entry, components).catch(refuse);
      if (entry.kind === 'link') return this.#makeLink(entry, components).catch(refuse);
      const glance = present.glance(entry, components);
      if ('files' in glance) return this.#answer(number, entry, components, glance, left);
      const looking = present.look(glance, entry, components);
      return looking.then((found) => this.#answer(number, entry, components, found, left)).catch(refuse);
    } catch (error) {
      return refuse(error);
    }
  }

  /** One entry is not taken. @throws what is no FilerError */
  #refuse({ path: name, size }: Entry, error: unknown): EntryAnswer {
    if (!(error instanceof FilerError)) throw error;
    const { code, message } = error;
    this.#owner.result({ name, size, status: 'failed', code, message });
    return { answer: 'refused', code, message };
  }

  /** Decides about a file by what is there of it. @throws FilerError why it is not taken */
  #answer(
    number: number,
    entry: Entry,
    components: readonly string[],
    { identical, kept: isKept, files, basisBytes }: Found,
    left: Room,
  ): EntryAnswer {
    const { path: name, size } = entry;
    const { allowance, parts } = this.#options;
    if (identical !== undefined) {
      this.#identical({
        entry: number,
        name,
        size,
        components,
        there: identical,
        facts: factsOf(entry),
      });
      return { answer: 'have', path: this.#pathOf(components, identical.name), receipt: true };
    }
    if (isKept === true) {
      const path = this.#pathOf(components);
      this.#owner.result({ name, size, status: 'skipped', kept: true, path });
      return { answer: 'have', path };
    }
    // One that may be there already is taken from what may come, and promised room, when it begins.
    const isNew = files.length === 0;
    if (isNew) takeAllowed(allowance, size);
    const kept = parts.claim(components, size);
    const own = kept?.bytes ?? 0;
    const bytes = Math.max(own, basisBytes);
    // What an earlier try left takes no room again; without a part nothing is held until the file begins.
    const promised = isNew ? this.#promise(Math.max(0, size - own), left, kept) : undefined;
    if (own === 0) kept?.release();
    // Of thousands of copies with long names not all fit into one answer, nor into the memory.
    const most = this.#namedChars < MAX_BATCH_NAME_CHARS ? files.length : 1;
    const named = files.slice(0, Math.min(most, this.#entries.filesLeft));
    this.#namedChars += named.length * name.length;
    const wanted = { entry: number, name, size, promised, kept: own > 0 ? kept : undefined };
    this.#entries.add({
      ...wanted,
      files: named,
      facts: factsOf(entry),
      hasOlder: basisBytes > 0,
      isCounted: isNew,
      state: 'ahead',
    });
    if (named.length > 0) {
      const told = named.map((file) => ({
        seal: sealOf(file.digest),
        path: this.#pathOf(components, file.name),
      }));
      return { answer: 'check', bytes, files: told };
    }
    return bytes > 0 ? { answer: 'resume', bytes } : { answer: 'want' };
  }

  /** Relative to the inbox. */
  #pathOf(components: readonly string[], name = components.at(-1) ?? ''): string {
    return this.#options.place.pathOf(components.slice(0, -1), name);
  }

  /** @throws FilerError `no-space`; then the place is free again */
  #promise(bytes: number, left: Room, kept: KeptPlace | undefined): Promised {
    try {
      takeRoom(left, bytes);
      return this.#options.space.promise(bytes);
    } catch (error) {
      kept?.release();
      throw error;
    }
  }

  async #makeFolder({ mtimeNs, mode }: Entry, components: readonly string[]): Promise<EntryAnswer> {
    const { place, ownership } = this.#options;
    const [parents, own] = [components.slice(0, -1), components.at(-1) ?? ''];
    const there = statsAt(place.require(parents), own);
    const aside =
      there === undefined || there.isDirectory() ? undefined : await this.#makeWay(components, mtimeNs);
    try {
      const made = await place.inFolder(components, (folder) => {
        folder.makeFillable();
        return folder.made;
      });
      if (made) await this.#notes.begun(ownership.note(components, own, FOLDER, undefined));
    } catch (error) {
      aside?.back();
      throw error;
    }
    await aside?.remove();
    this.#folders.opened({ components, mtimeNs, mode });
    return { answer: 'made', path: place.pathOf(parents, own) };
  }

  /** A file or a link gives way to a folder, if it may. */
  async #makeWay(components: readonly string[], mtimeNs: bigint): Promise<Aside | undefined> {
    const { place, ownership, mark } = this.#options;
    return await place.inFolder(components.slice(0, -1), async (folder) => {
      const what = await ownership.replaceable(folder, components, mtimeNs);
      if (what === undefined) return undefined;
      return Aside.take(folder, components.at(-1) ?? '', what, asideIn(place.folder, mark));
    });
  }

  async #makeLink(entry: Entry, components: readonly string[]): Promise<EntryAnswer> {
    const { path: name, mtimeNs, target = '' } = entry;
    const { place, ownership, sync, allowance, mark } = this.#options;
    const refusal = allowance.files < 1 ? allowance.beyond() : undefined;
    const [parents, own] = [components.slice(0, -1), components.at(-1) ?? ''];
    const content = contentOfLink(target);
    const made = await place.inFolder(parents, async (folder) => {
      const there = statsAt(folder, own);
      if (there !== undefined && ownership.keeps(there, mtimeNs))
        return { name: own, had: true, kept: linkAt(folder, own) !== content };
      const link = await makeLink(
        folder,
        { name: own, target, mtimeNs },
        {
          refusal,
          replaceable: () => ownership.replaceable(folder, components, mtimeNs),
          mayStandFor: (each) => ownership.mayStandFor(components, each),
          hidden: () => asideIn(place.folder, mark),
        },
      );
      if (!link.had) {
        if (sync) await folder.sync();
        const { mtimeNs: found } = statsAt(folder, link.name) ?? {};
        await this.#notes.begun(ownership.note(components, link.name, content, found));
      }
      return { ...link, kept: false };
    });
    const path = place.pathOf(parents, made.name);
    if (!made.had) {
      takeAllowed(allowance, 0);
      this.#owner.result({ name, size: 0, status: 'delivered', path });
      return { answer: 'made', path };
    }
    const kept = made.kept ? { kept: true as const } : {};
    this.#owner.result({ name, size: 0, status: 'skipped', ...kept, path });
    return { answer: 'have', path, ...kept };
  }
}

function factsOf({ mtimeNs, mode }: Entry): FileFacts {
  return { mtimeNs, mode };
}
