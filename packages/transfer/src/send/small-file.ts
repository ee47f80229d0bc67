import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { systemCode, type Digests } from '@filer/protocol';
import { digestsOfSmall } from '../digests/digests.ts';
import { atSource, factsOf, openFlags, type Facts, type Source } from './source.ts';
import { endsAt } from './unsized.ts';

/** Files up to this size are read in one go, without leaving the turn: faster than asking another thread to. */
export const SMALL_FILE_BYTES = 128 * 1024;

/** A small file as it was, whole, between two looks at it. */
export interface SmallFile extends Facts, Digests {
  readonly content: Buffer;
}

/**
 * Reads a small file.
 *
 * @param room memory of the caller's for its content @default its own
 * @returns undefined when it cannot be read just so: it is gone, has grown, changes. The long way finds out and says.
 */
export function readSmallFile(source: Source, room?: Buffer): SmallFile | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = atSource(source, (path) => openSync(path, openFlags(source)));
    const fits = room !== undefined && source.size <= room.length;
    const content = fits ? room.subarray(0, source.size) : Buffer.allocUnsafe(source.size);
    for (let bytes = 0; bytes < content.length;) {
      const read = readSync(descriptor, content, bytes, content.length - bytes, bytes);
      if (read === 0) return undefined;
      bytes += read;
    }
    if (!endsAt(descriptor, content.length)) return undefined;
    // As it was when it was found, its name and links included: it is that file, and no one wrote to it.
    const facts = factsOf(fstatSync(descriptor, { bigint: true }));
    if (facts.identity !== source.identity) return undefined;
    return { ...facts, ...digestsOfSmall(content), content };
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
