import { DIGEST_BLOCK_BYTES, type FileStart } from '@filer/protocol';
import type { HeldBlocks } from '../passing/held-blocks.ts';
import type { Destination } from './incoming-streams.ts';
import { makeRoom, type RoomOptions } from './make-room.ts';
import { PartialFile } from '../disk/partial-file.ts';
import type { DestinationFolder } from '../disk/destination-folder.ts';
import { parseSafePath } from '../disk/safe-path.ts';
import type { Wanted } from './wanted-entries.ts';

export interface PartialFilesOptions extends RoomOptions {
  readonly place: DestinationFolder;
  readonly sync: boolean;
  readonly mark: string | undefined;
  /** What may be handed on to other recipients. @default nothing is */
  readonly held?: HeldBlocks | undefined;
}

/** The folder that files are received into: each stream goes into a partial file. */
export class PartialFiles implements Destination<PartialFile> {
  readonly #options: PartialFilesOptions;
  readonly whole: Destination<PartialFile>['whole'];
  readonly small: NonNullable<Destination<PartialFile>['small']>;

  constructor(options: PartialFilesOptions, { whole, small }: Pick<PartialFiles, 'whole' | 'small'>) {
    this.#options = options;
    this.whole = whole;
    this.small = small;
  }

  async open(wanted: Wanted, { size, mtimeNs, mode, growing }: FileStart): Promise<PartialFile> {
    await this.makeRoom(wanted, size, 0);
    const { place, parts, sync, mark, held: blocks } = this.#options;
    const { name, hasOlder } = wanted;
    const components = parseSafePath(name);
    // One that grows may become large enough to be worth it.
    wanted.kept ??= parts.claim(components, growing === true ? Infinity : size);
    const older = hasOlder
      ? { folder: place.require(components.slice(0, -1)), name: components.at(-1) ?? '' }
      : undefined;
    const { folder } = place;
    const about = { folder, mark, name, size, mtimeNs, mode, sync, kept: wanted.kept, older };
    // A file of one block is read by its name, once it has it.
    const isHeld = blocks !== undefined && (growing === true || size > DIGEST_BLOCK_BYTES);
    return new PartialFile({ ...about, held: isHeld ? { blocks, entry: wanted.entry } : undefined });
  }

  makeRoom(wanted: Wanted, size: number, written: number): Promise<void> {
    return makeRoom(wanted, size, written, this.#options);
  }
}
