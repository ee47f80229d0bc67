import type { BigIntStats } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { FilerError, MAX_PRESENT_FILES, type Entry } from '@filer/protocol';
import { identityOf } from '../digests/known-digests.ts';
import type { DestinationFolder } from '../disk/destination-folder.ts';
import { FolderPath } from '../disk/folder-path.ts';
import type { Folder } from '../disk/folder.ts';
import { secondsOf } from '../disk/times.ts';
import type { Deliveries } from './deliveries.ts';
import { isFileOf, statsAt, type ExistingFile } from './existing-digests.ts';

/** What a sender delivered before is looked through up to here, for one transfer: some 0.2 s and 20 MB. */
const MAX_LOOKED_AT = 100_000;
const PAGE = 1_000;

/** Places of one content that are remembered: the first may have changed since. */
const MAX_PLACES = 2;

export interface DeliveredPlacesOptions {
  readonly place: DestinationFolder;
  readonly deliveries: Deliveries;
  /** Aborted when the sender is gone. */
  readonly gone: AbortSignal;
}

/** Where a content was delivered. */
export interface DeliveredPlace {
  /** Relative to the inbox. */
  readonly path: string;
  readonly digest: string;
  readonly components: readonly string[];
  readonly mtimeNs: bigint | undefined;
  /** How often it was copied. */
  copies: number;
}

/** What was delivered to one of them, as it is now. */
export interface StillThere extends Disposable {
  /** Of the file, for use until it is disposed of. */
  readonly path: string;
  readonly stats: BigIntStats;
}

interface Found {
  readonly byDigest: Map<string, DeliveredPlace[]>;
  readonly byTime: Map<number, DeliveredPlace[]>;
}

/** Where this sender delivered what, looked through once, when it is asked first. */
export class DeliveredPlaces implements Disposable {
  readonly #options: DeliveredPlacesOptions;
  readonly #root: Folder;
  readonly #folders: FolderPath;
  #found: Promise<Found> | undefined;
  /** Those of one time, by the size that they have: a whole tree may have one time. */
  readonly #bySize = new Map<number, Promise<Map<number, DeliveredPlace[]>>>();

  constructor(options: DeliveredPlacesOptions) {
    this.#options = options;
    this.#root = options.place.folder.again();
    this.#folders = new FolderPath(this.#root);
  }

  async ofDigest(digest: string): Promise<readonly DeliveredPlace[]> {
    this.#found ??= this.#lookThrough();
    return (await this.#found).byDigest.get(digest) ?? [];
  }

  /** Files of this size and time, as they may stand for one of this name. */
  async alike(
    { size, mtimeNs }: Pick<Entry, 'size' | 'mtimeNs'>,
    name: string,
  ): Promise<readonly ExistingFile[]> {
    this.#found ??= this.#lookThrough();
    const time = secondsOf(mtimeNs);
    const ofTime = (await this.#found).byTime.get(time) ?? [];
    const bySize = this.#bySize.get(time) ?? this.#sized(ofTime);
    this.#bySize.set(time, bySize);
    const alike: ExistingFile[] = [];
    for (const each of (await bySize).get(size) ?? []) {
      using there = this.open(each, size);
      if (there === undefined) continue;
      const { digest, path: elsewhere } = each;
      const unknown = { blocks: '', facts: undefined, synced: false, remembered: false };
      alike.push({ ...unknown, name, digest, identity: identityOf(there.stats), elsewhere });
    }
    return alike;
  }

  /** @returns undefined where it is not what was delivered any more, as far as size and time tell */
  open(from: DeliveredPlace, size: number): StillThere | undefined {
    const own = from.components.at(-1) ?? '';
    const folder = this.#above(from)?.again();
    const stats = folder === undefined ? undefined : statsAt(folder, own);
    if (folder === undefined || stats === undefined || !isFileOf(stats, size) || !isUnchanged(from, stats)) {
      folder?.[Symbol.dispose]();
      return undefined;
    }
    return { path: folder.at(own), stats, [Symbol.dispose]: () => folder[Symbol.dispose]() };
  }

  [Symbol.dispose](): void {
    this.#folders[Symbol.dispose]();
    this.#root[Symbol.dispose]();
  }

  /** The folder of one, if it may be entered. */
  #above({ components }: DeliveredPlace): Folder | undefined {
    try {
      return this.#folders.at(components.slice(0, -1));
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      return undefined;
    }
  }

  async #sized(places: readonly DeliveredPlace[]): Promise<Map<number, DeliveredPlace[]>> {
    const bySize = new Map<number, DeliveredPlace[]>();
    for (const [n, each] of places.entries()) {
      if (n % PAGE === PAGE - 1) await turn();
      const folder = this.#above(each);
      const there = folder === undefined ? undefined : statsAt(folder, each.components.at(-1) ?? '');
      if (there !== undefined) addTo(bySize, Number(there.size), each, MAX_PRESENT_FILES);
    }
    return bySize;
  }

  async #lookThrough(): Promise<Found> {
    const { deliveries, place, gone } = this.#options;
    const byDigest = new Map<string, DeliveredPlace[]>();
    const byTime = new Map<number, DeliveredPlace[]>();
    let before: string | undefined;
    for (let looked = 0; looked < MAX_LOOKED_AT && !gone.aborted; looked += PAGE) {
      const page = deliveries.below(place.path, before, PAGE);
      for (const { path, content, mtimeNs, removing } of page) {
        if (removing !== undefined || !content.startsWith('blake3:')) continue;
        const below = place.path === '' ? path : path.slice(place.path.length + 1);
        const at = { path, digest: content, components: below.split('/'), mtimeNs, copies: 0 };
        addTo(byDigest, content, at, MAX_PLACES);
        if (mtimeNs !== undefined) addTo(byTime, secondsOf(mtimeNs), at, MAX_LOOKED_AT);
      }
      if (page.length < PAGE) break;
      before = page.at(-1)?.path;
      await turn();
    }
    return { byDigest, byTime };
  }
}

function addTo<K>(places: Map<K, DeliveredPlace[]>, key: K, at: DeliveredPlace, most: number): void {
  const known = places.get(key);
  if (known === undefined) places.set(key, [at]);
  else if (known.length < most) known.push(at);
}

function isUnchanged({ mtimeNs }: DeliveredPlace, found: BigIntStats): boolean {
  return mtimeNs === undefined || secondsOf(mtimeNs) === secondsOf(found.mtimeNs);
}
