import { setImmediate as turn } from 'node:timers/promises';
import { MAX_BATCH_NAME_CHARS, MAX_OFFER_NAMES, type OfferContent } from '@filer/protocol';
import type { SentFolder } from './gone-files.ts';
import type { Source, SourceFile } from './source.ts';
import { walkSources, type WalkOptions } from './walk.ts';

/** Found things between two looks at what else there is to do. */
const COUNTED_AT_ONCE = 1_000;

/** All that a walk finds. */
export interface Totals {
  readonly files: number;
  readonly bytes: number;
  /** Of the largest file. */
  readonly largest: number;
  /** Of what a person named, the first. */
  readonly names: readonly string[];
  /** What is below each of them. */
  readonly contents: readonly OfferContent[];
}

/** Walks once to count; what cannot be read is told by the walk that sends. Ends early once it is over. */
export async function countAll(
  sources: Iterable<SourceFile>,
  which: Pick<WalkOptions, 'ignored' | 'onlyEntered' | 'links'>,
  isOver: () => boolean,
): Promise<Totals> {
  let [found, files, bytes, largest] = [0, 0, 0, 0];
  const tops = new Tops();
  for await (const { kind, size, name, inTree, growing } of walkSources(sources, {
    ...which,
    failed: () => undefined,
    leftOut: () => undefined,
  })) {
    if (kind !== 'dir') files++;
    const own = growing === undefined ? size : (await growing.reach(Infinity)).bytes;
    bytes = sumOf(bytes, own);
    largest = Math.max(largest, own);
    tops.add({ kind, name, inTree }, own);
    if (++found % COUNTED_AT_ONCE === 0) await turn();
    if (isOver()) break;
  }
  const { names, contents } = tops;
  return { files, bytes, largest, names, contents };
}

/** The first names that a person named, and what is below each. */
export class Tops {
  readonly names: string[] = [];
  readonly contents: OfferContent[] = [];
  /** Whether what comes next is below the last of them. */
  #isInside = false;

  /** In the order in which they are found: what is in a folder follows it. */
  add({ kind, name, inTree }: Pick<Source, 'kind' | 'name' | 'inTree'>, size: number): void {
    if (!inTree) {
      this.#isInside = this.names.length < MAX_OFFER_NAMES;
      if (this.#isInside) {
        this.names.push(name);
        this.contents.push({ files: 0, bytes: 0 });
      }
    }
    const last = this.contents.at(-1);
    if (!this.#isInside || last === undefined || kind === 'dir') return;
    const bytes = sumOf(last.bytes, size);
    this.contents[this.contents.length - 1] = { files: last.files + 1, bytes };
  }
}

/** Sparse files can be so large that their sum is no safe integer: then the sum is the largest one. */
function sumOf(bytes: number, more: number): number {
  return Math.min(bytes + more, Number.MAX_SAFE_INTEGER);
}

/** What is to be sent, in batches, and the totals of what was found so far. */
export class SourceBatcher {
  readonly #walk: AsyncGenerator<Source, void>;
  /** Found, and not yet given out: tells whether anything follows. */
  #ahead: Source | undefined;
  #complete = false;
  /** Found files that are still being written. */
  #growing = 0;
  /** Files and links that were found. */
  files = 0;
  /** Sizes of the files that were found. */
  bytes = 0;
  /** Bytes of the largest file that was found. */
  largest = 0;
  /** Folders that a person named, as far as they were found, by name. */
  readonly folders = new Map<string, SentFolder[]>();

  constructor(files: Iterable<SourceFile>, options: WalkOptions) {
    this.#walk = walkSources(files, options);
  }

  /** Whether everything was found and given out. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Whether `files` and `bytes` will not change any more. */
  get isCounted(): boolean {
    return this.#complete && this.#growing === 0;
  }

  /** A file that is still being written has more bytes. */
  grown(bytes: number, isComplete: boolean): void {
    this.bytes = sumOf(this.bytes, bytes);
    if (isComplete) this.#growing--;
  }

  /** The next of what was found, at most `most`; none when that was all. */
  async next(most: number): Promise<Source[]> {
    await turn(); // a walk does not wait, and others want to be heard
    const batch: Source[] = [];
    let chars = 0;
    while (!this.#complete && batch.length < most && chars < MAX_BATCH_NAME_CHARS) {
      const source = this.#ahead ?? (await this.#find());
      if (source !== undefined) batch.push(source);
      chars += (source?.name.length ?? 0) + (source?.target?.length ?? 0);
      this.#ahead = await this.#find();
    }
    return batch;
  }

  async #find(): Promise<Source | undefined> {
    const found = await this.#walk.next();
    if (found.done === true) {
      this.#complete = true;
      return undefined;
    }
    if (found.value.kind !== 'dir') this.files++;
    if (found.value.growing !== undefined) this.#growing++;
    this.#noteFolder(found.value);
    this.bytes = sumOf(this.bytes, found.value.size);
    this.largest = Math.max(this.largest, found.value.size);
    return found.value;
  }

  #noteFolder({ kind, inTree, file, name }: Source): void {
    if (kind !== 'dir' || inTree) return;
    const known = this.folders.get(name);
    if (known === undefined) this.folders.set(name, [{ file, name }]);
    else known.push({ file, name });
  }

  /** Ends the walk wherever it is. */
  async close(): Promise<void> {
    await this.#walk.return();
  }
}
