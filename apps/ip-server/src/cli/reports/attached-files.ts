import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, open, unlink } from 'node:fs/promises';
import { join, parse, resolve } from 'node:path';
import {
  type Attachment,
  FilerError,
  messageOf,
  systemCode,
  writeFailure,
  makeFolders,
} from '@filer/protocol';
import { printable } from '@filer/program';
import { FileDigests, parseSafePath, PART_PREFIX, readDigests } from '@filer/transfer';

/** A file that was copied out of the server's home. */
export interface TakenFile extends Attachment {
  /** Absolute. */
  readonly path: string;
}

const PIECE_BYTES = 1024 * 1024;
const MAX_NAMES = 10_000;

/** Where the files of one report lie, and where they are to go. */
export interface TakeOut {
  readonly from: string;
  readonly to: string;
  readonly attachments: readonly Attachment[];
  readonly signal: AbortSignal;
  /** Told how much of a file is copied. */
  readonly onCopied: (attachment: Attachment, bytes: number) => void;
}

/**
 * Copies the files of a report, comparing their digests on the way. Nothing is ever replaced: a file whose name is
 * taken becomes `name (1).ext`, one that is there already, the same byte for byte, stays.
 *
 * @returns those that are out, and why others are not
 * @throws FilerError when the folder cannot be made or written
 */
export async function takeOut(request: TakeOut): Promise<{ files: TakenFile[]; failures: FilerError[] }> {
  const { attachments, signal } = request;
  const folder = resolve(request.to);
  const files: TakenFile[] = [];
  const failures: FilerError[] = [];
  await written(folder, () => Promise.resolve(makeFolders(folder)));
  for (const attachment of attachments) {
    signal.throwIfAborted();
    try {
      files.push({ ...attachment, path: await takeOne(attachment, request, folder) });
    } catch (error) {
      if (!(error instanceof FilerError) || error.code === 'home-not-writable') throw error;
      failures.push(error);
    }
  }
  return { files, failures };
}

/** @returns the path that it has now */
async function takeOne(attachment: Attachment, request: TakeOut, folder: string): Promise<string> {
  // A name that the report gives is not one that a file came under, nor safe, until it was looked at.
  const [name = '', ...below] = parseSafePath(attachment.name);
  if (below.length > 0) throw gone(attachment);
  const part = join(folder, `${PART_PREFIX}out-${randomBytes(8).toString('hex')}`);
  try {
    await copyChecked(attachment, join(request.from, name), part, request);
    return await place(attachment, part, folder, name);
  } finally {
    await unlink(part).catch(() => undefined);
  }
}

async function copyChecked(
  attachment: Attachment,
  source: string,
  part: string,
  { signal, onCopied }: Pick<TakeOut, 'signal' | 'onCopied'>,
): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const opened = await open(source, flags).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') throw gone(attachment);
    throw new FilerError('path-unreadable', `cannot read ${source}: ${messageOf(error)}`, { cause: error });
  });
  await using input = opened;
  const digests = new FileDigests();
  await written(part, async () => {
    await using output = await open(part, 'wx');
    const buffer = Buffer.allocUnsafe(PIECE_BYTES);
    let copied = 0;
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await input.read(buffer, 0, PIECE_BYTES);
      if (bytesRead === 0) break;
      const piece = buffer.subarray(0, bytesRead);
      digests.update(piece);
      await output.writeFile(piece);
      onCopied(attachment, (copied += bytesRead));
    }
    await output.sync();
  });
  if (digests.finish().digest === attachment.digest) return;
  throw new FilerError(
    'verification-failed',
    `${printable(attachment.name)} is not what was reported any more: ${source} was changed or is damaged, restore it from a backup`,
  );
}

/** Gives it a name that nothing else has. @returns the path */
async function place(
  { size, digest }: Attachment,
  part: string,
  folder: string,
  name: string,
): Promise<string> {
  const { name: stem, ext } = parse(name);
  for (let n = 0; n < MAX_NAMES; n++) {
    const path = join(folder, n === 0 ? name : `${stem} (${n})${ext}`);
    if (await written(path, () => takeName(part, path))) return path;
    const there = await readDigests(path, constants.O_NOFOLLOW, undefined).catch(() => undefined);
    if (there?.size === size && there.digest === digest) return path;
  }
  throw new FilerError('refused', `${MAX_NAMES} files in ${folder} are called like ${printable(name)}`);
}

/** @returns whether the name was free */
async function takeName(part: string, path: string): Promise<boolean> {
  try {
    await link(part, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
  }
  // A file system without hard links.
  try {
    await copyFile(part, path, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function gone({ name }: Attachment): FilerError {
  return new FilerError(
    'path-missing',
    `${printable(name)} is not kept any longer: attachments are removed when they take more space than attachment-space`,
  );
}

async function written<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FilerError || systemCode(error) === undefined) throw error;
    throw writeFailure(`cannot write ${path}`, path, error);
  }
}
