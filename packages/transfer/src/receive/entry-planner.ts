import { setImmediate as turn } from 'node:timers/promises';
import { FilerError, MAX_BATCH_NAME_CHARS, type Entry, type EntryAnswer } from '@filer/protocol';
import { blindedDigest } from '../digests/digests.ts';
import type { FilledFolders } from '../disk/filled-folders.ts';
import type { Promised, Space } from '../disk/free-space.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import type { ResumeStore, ResumeSlot } from '../disk/resume-store.ts';
import { Making, type MakingOptions } from './making.ts';
import type { MovedFiles } from './moved-files.ts';
import type { Found, ExistingFiles } from './existing-files.ts';
import { judgeEntry, takeAllowed, takeRoom, type ReceivePolicy, type Room } from './receive-policy.ts';
import type { Seeding } from './seeding.ts';
import type { FileFacts } from './refresh-existing.ts';
import type { Identical } from './existing-file-receipts.ts';
import type { WantedEntries } from './wanted-entries.ts';

/** Deciding about entries waits for little: this long it may hold up all else, in ms. */
const TURN_MS = 10;

export interface EntryPlannerOptions extends MakingOptions {
  readonly parts: ResumeStore;
  readonly present: ExistingFiles;
  /** Of a stage: brings what is there already. */
  readonly seeding: Pick<Seeding, 'seed'> | undefined;
  /** Brings what is there under another name. */
  readonly moved: Pick<MovedFiles, 'copy' | 'alike' | 'placed' | 'bring'> | undefined;
  readonly space: Space;
  readonly policy: ReceivePolicy;
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
export class EntryPlanner {
  readonly #options: EntryPlannerOptions;
  readonly #owner: Pick<IncomingOwner, 'result' | 'follow'>;
  readonly #entries: WantedEntries;
  readonly #folders: FilledFolders;
  readonly #identical: (file: Identical) => void;
  readonly #making: Making;
  /** Of the files that the answer to one batch names. */
  #namedChars = 0;
  /** Of the entry that was decided last. */
  #lastComponents: readonly string[] = [];

  constructor(
    options: EntryPlannerOptions,
    owner: Pick<IncomingOwner, 'result' | 'follow'>,
    decided: Decided,
  ) {
    this.#options = options;
    this.#owner = owner;
    this.#making = new Making(options, owner, decided.folders);
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
    await this.#takeMoved(first, entries, answers, left);
    await this.#making.noted(); // before it is said to be made
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
    const { policy, allowance } = this.#options;
    const refuse = (error: unknown): EntryAnswer => this.#refuse(entry, error);
    try {
      const components = judgeEntry(entry, policy, allowance.names);
      if (policy.leavesOut?.(entry) === true) return { answer: 'unwanted' };
      this.#folders.announced(number, components);
      if (entry.kind !== 'file') takeRoom(left, 0);
      this.#takeFolders(components, entry.kind === 'file' ? 0 : 1);
      if (entry.kind === 'dir') return this.#making.folder(entry, components).catch(refuse);
      if (entry.kind === 'link') return this.#making.link(entry, components).catch(refuse);
      const seeding = this.#options.seeding?.seed(entry, components, left);
      if (seeding !== undefined)
        return seeding.then(() => this.#find(number, entry, components, left)).catch(refuse);
      const find = (): EntryAnswer | Promise<EntryAnswer> => this.#find(number, entry, components, left);
      const moved = this.#options.moved?.copy(number, entry, components, left);
      if (moved !== undefined)
        return moved.then((isCopied) => (isCopied ? this.#have(components) : find())).catch(refuse);
      const alike = this.#options.moved?.alike(entry, components);
      if (alike !== undefined)
        return alike
          .then((files) => this.#answer(number, entry, components, { files, basisBytes: 0 }, left))
          .catch(refuse);
      const answer = find();
      return answer instanceof Promise ? answer.catch(refuse) : answer;
    } catch (error) {
      return refuse(error);
    }
  }

  /** Copies of what is there under another name are in place: one that failed has to come. */
  async #takeMoved(
    first: number,
    entries: readonly Entry[],
    answers: EntryAnswer[],
    left: Room,
  ): Promise<void> {
    for (const { entry, announced, components, there } of (await this.#options.moved?.placed()) ?? []) {
      const { path: name, size, mtimeNs, mode } = announced;
      const facts = { mtimeNs, mode };
      if (there !== undefined) this.#identical({ entry, name, size, components, there, facts });
      else {
        const announcedAs = entries[entry - first];
        if (announcedAs !== undefined)
          answers[entry - first] = await this.#findAgain(entry, announcedAs, components, left);
      }
    }
  }

  async #findAgain(
    number: number,
    entry: Entry,
    components: readonly string[],
    left: Room,
  ): Promise<EntryAnswer> {
    try {
      return await this.#find(number, entry, components, left);
    } catch (error) {
      return this.#refuse(entry, error);
    }
  }

  /** Looks for a file that is announced, and decides. @throws FilerError why it is not taken */
  #find(
    number: number,
    entry: Entry,
    components: readonly string[],
    left: Room,
  ): EntryAnswer | Promise<EntryAnswer> {
    const { present } = this.#options;
    const glance = present.glance(entry, components);
    if ('files' in glance) return this.#answer(number, entry, components, glance, left);
    const looking = present.look(glance, entry, components);
    return looking.then((found) => this.#answer(number, entry, components, found, left));
  }

  /** Takes room for an entry itself and for folders on its way that the entry before was not in. @throws FilerError `no-space` */
  #takeFolders(components: readonly string[], own: number): void {
    const last = this.#lastComponents;
    const folders = components.slice(0, -1);
    const other = folders.findIndex((each, at) => each !== last[at]);
    this.#options.space.make(own + (other === -1 ? 0 : folders.length - other));
    this.#lastComponents = components;
  }

  /** One entry is not taken. @throws what is no FilerError */
  #refuse({ path: name, size }: Entry, error: unknown): EntryAnswer {
    if (!(error instanceof FilerError)) throw error;
    const { code, message } = error;
    this.#owner.result({ name, size, status: 'failed', code, message, failedBy: 'here' });
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
      return this.#have(components, identical.name);
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
        seal: blindedDigest(file.digest),
        path: file.elsewhere ?? this.#pathOf(components, file.name),
      }));
      return { answer: 'check', bytes, files: told };
    }
    return bytes > 0 ? { answer: 'resume', bytes } : { answer: 'want' };
  }

  #have(components: readonly string[], name?: string): EntryAnswer {
    return { answer: 'have', path: this.#pathOf(components, name), receipt: true };
  }

  /** Relative to the inbox. */
  #pathOf(components: readonly string[], name = components.at(-1) ?? ''): string {
    return this.#options.place.pathOf(components.slice(0, -1), name);
  }

  /** @throws FilerError `no-space`; then the place is free again */
  #promise(bytes: number, left: Room, kept: ResumeSlot | undefined): Promised {
    try {
      takeRoom(left, bytes);
      return this.#options.space.promise(bytes);
    } catch (error) {
      kept?.release();
      throw error;
    }
  }
}

function factsOf({ mtimeNs, mode }: Entry): FileFacts {
  return { mtimeNs, mode };
}
