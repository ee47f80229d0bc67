import { closeSync, constants, fstatSync, fsync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { systemCode } from '@filer/protocol';
import { digestsOfSmall } from '../digests/digests.ts';
import type { Hidden } from './hidden.ts';
import { setFacts } from './set-facts.ts';

const syncDescriptor = promisify(fsync);

/** A small file that was written in one go. */
export interface SmallPart {
  readonly hidden: Hidden;
  readonly size: number;
  readonly mode: number;
  readonly mtimeNs: bigint;
  readonly digest: string;
}

/** Writes a whole file under a hidden name. There is none when this throws. @throws a system error */
export function writePart(part: SmallPart, content: Buffer): void {
  closeSync(openWritten(part, content));
}

/**
 * Writes what a part holds under another hidden name, and brings that to the disk: a sync of many files that failed does not
 * say which one the disk has lost, and a second sync of the same file would say nothing of it.
 *
 * @returns whether it does hold its content: else nothing is written
 * @throws a system error; then there is none
 */
export async function rewritePart(from: Hidden, part: SmallPart): Promise<boolean> {
  const content = contentOf(pathOf(from), part);
  if (content === undefined) return false;
  const descriptor = openWritten(part, content);
  try {
    await syncDescriptor(descriptor);
  } catch (error) {
    dropPart(part.hidden);
    throw error;
  } finally {
    closeSync(descriptor);
  }
  return true;
}

/** What a file holds, if that is what it should. */
export function contentOf(
  path: string,
  { size, digest }: Pick<SmallPart, 'size' | 'digest'>,
): Buffer | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const found = fstatSync(descriptor);
    if (!found.isFile() || found.size !== size) return undefined;
    const content = Buffer.allocUnsafe(size);
    for (let at = 0; at < size;) {
      const read = readSync(descriptor, content, at, size - at, at);
      if (read === 0) return undefined;
      at += read;
    }
    return digestsOfSmall(content).digest === digest ? content : undefined;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Whatever keeps it from being removed now, `cleanParts` tries again. */
export function dropPart(hidden: Hidden): void {
  try {
    unlinkSync(pathOf(hidden));
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

function openWritten({ hidden, mode, mtimeNs }: SmallPart, content: Buffer): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const descriptor = openSync(pathOf(hidden), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    // A full disk shows first as a short write.
    for (let at = 0; at < content.length;) at += writeSync(descriptor, content, at, content.length - at, at);
    setFacts(descriptor, mode, mtimeNs);
    return descriptor;
  } catch (error) {
    dropPart(hidden);
    closeSync(descriptor);
    throw error;
  }
}

function pathOf({ folder, file }: Hidden): string {
  return folder.at(file);
}
