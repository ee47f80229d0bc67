import { systemCode, type PresentFile } from '@filer/protocol';
import { BlockList, blindedDigest } from '../digests/digests.ts';
import { readDigests, type KnownDigests, type ReadFile } from '../digests/known-digests.ts';
import type { SentFile } from './sent-file.ts';
import { atSource, openFlags } from './source.ts';

/**
 * Reads a file to compare it with those of its size that the receiver has, and notes what it is.
 *
 * @param known where digests are remembered
 * @returns its digest if it is one of them; undefined as well when it cannot be read: sending it says why
 */
export async function compareWithThere(
  file: SentFile,
  there: readonly PresentFile[],
  known: KnownDigests | undefined,
): Promise<string | undefined> {
  const { source } = file;
  const list = new BlockList();
  const onBlock = file.hasBasis === true ? (block: Buffer): void => list.add(block) : undefined;
  let read: ReadFile | undefined;
  try {
    read = await atSource(source, (path) => readDigests(path, openFlags(source), known, { onBlock }));
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
  if (read === undefined) return undefined;
  const { identity, size, digest, blocks } = read;
  if (source.fixed === true && identity !== source.identity) return undefined;
  if (!there.some(({ seal }) => seal === blindedDigest(digest))) {
    // What of it differs is found without digesting all of it once more.
    if (file.hasBasis === true) file.listed = { identity, digest, blocks, list };
    return undefined;
  }
  file.there = { size, digest, blocks }; // settled by its receipt
  return digest;
}
