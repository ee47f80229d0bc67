import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { systemCode, type Digests } from '@filer/protocol';
import { digestsOfSmall } from './digests.ts';
import { atSource, factsOf, hasChanged, openFlags, type Facts, type Source } from './source.ts';

/** Files up to this size are read in one go, without leaving the turn: faster than asking another thread to. */
export const SMALL_FILE_BYTES = 128 * 1024;

/** A small file as it was, whole, between two looks at it. */
export interface SmallFile extends Facts, Digests {
  readonly content: Buffer;
}

/**
 * Reads a small file.
 *
 * @returns undefined when it cannot be read just so: it is gone, has grown, changes. The long way finds out and says.
 */
export function readSmallFile(source: Source): SmallFile | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = atSource(source, (path) => openSync(path, openFlags(source)));
    const before = fstatSync(descriptor, { bigint: true });
    const facts = factsOf(before);
    if (!before.isFile() || facts.size > SMALL_FILE_BYTES) return undefined;
    const content = Buffer.allocUnsafe(facts.size);
    let bytes = 0;
    while (bytes < content.length) {
      const read = readSync(descriptor, content, bytes, content.length - bytes, bytes);
      if (read === 0) return undefined;
      bytes += read;
    }
    const now = fstatSync(descriptor, { bigint: true });
    if (hasChanged(before, now, source)) return undefined;
    return { ...facts, ...digestsOfSmall(content), content };
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
