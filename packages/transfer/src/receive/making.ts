import type { Entry, EntryAnswer } from '@filer/protocol';
import { contentOfLink } from './deliveries.ts';
import { statsAt } from './existing-digests.ts';
import type { FilledFolders } from '../disk/filled-folders.ts';
import { asideIn } from '../disk/hidden.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import { makeLink } from './made-link.ts';
import { linkAt, type Ownership } from './ownership.ts';
import type { DestinationFolder } from '../disk/destination-folder.ts';
import { takeAllowed, type Allowance } from './receive-policy.ts';
import { Aside } from '../disk/replacing.ts';
import { BoundedTasks } from '../wire/bounded-tasks.ts';

/** Things that were made, and may be noted together. */
const MAX_NOTES = 1_024;

export interface MakingOptions {
  readonly place: DestinationFolder;
  readonly ownership: Ownership;
  /** In the names of what is hidden. */
  readonly mark: string | undefined;
  /** What may still come of the offer; counted down. */
  readonly allowance: Allowance;
  readonly sync: boolean;
}

/** Makes what comes without a stream: folders and links. */
export class Making {
  readonly #options: MakingOptions;
  readonly #owner: Pick<IncomingOwner, 'result'>;
  readonly #folders: FilledFolders;
  /** What was made, and is being noted. */
  readonly #notes: BoundedTasks;

  constructor(
    options: MakingOptions,
    owner: Pick<IncomingOwner, 'result' | 'follow'>,
    folders: FilledFolders,
  ) {
    this.#options = options;
    this.#owner = owner;
    this.#folders = folders;
    this.#notes = new BoundedTasks((work) => owner.follow(work), MAX_NOTES);
  }

  /** Resolves when all that was made is remembered. */
  async noted(): Promise<void> {
    await this.#notes.ended();
  }

  /** Makes a folder, in the place of what may give way to it. @throws FilerError why it cannot be there */
  async folder({ mtimeNs, mode }: Entry, components: readonly string[]): Promise<EntryAnswer> {
    const { place, ownership } = this.#options;
    const [parents, own] = [components.slice(0, -1), components.at(-1) ?? ''];
    const there = statsAt(place.require(parents), own);
    const aside =
      there === undefined || there.isDirectory() ? undefined : await this.#makeWay(components, mtimeNs);
    try {
      const { folder, durable } = place.begin(components);
      folder.makeFillable();
      const { made } = folder;
      ownership.stands(components, own);
      // Of many that are made one after the other the names go to the disk together.
      const noted = durable.then(() => ownership.noteFolder(components, mode, made));
      if (aside === undefined) await this.#notes.begun(noted);
      else await noted;
      if (!made) await ownership.shared(components, own);
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

  /** Makes a link, or finds that it needs not be made. @throws FilerError why it cannot be there */
  async link(entry: Entry, components: readonly string[]): Promise<EntryAnswer> {
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
      ownership.stands(components, link.name);
      if (!link.had) {
        if (sync) await folder.sync();
        const { mtimeNs: found } = statsAt(folder, link.name) ?? {};
        await this.#notes.begun(ownership.note(components, link.name, content, found));
      } else await ownership.shared(components, link.name);
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
