import { close, constants, fstat, open, read, type BigIntStats } from 'node:fs';
import { promisify } from 'node:util';
import { DIGEST_BLOCK_BYTES } from '@filer/protocol';
import { FileDigests } from './digests.ts';

const [openFile, closeFile] = [promisify(open), promisify(close)];

/** A file that was changed so shortly before it was read may change again without its times telling. */
const UNTRUSTED_MS = 2_000;

/** What is remembered by default: some 20 MB. */
const MAX_KNOWN = 100_000;

/** A file's content cannot change and leave this the same, unless its times were set by hand and within a tick. */
export function identityOf(stats: BigIntStats): string {
  return [stats.size, stats.mtimeNs, stats.ctimeNs, stats.dev, stats.ino].join(':');
}

/** Digests of files as they were read, so that they need not be read again. The longest unused are forgotten. */
export class KnownDigests {
  readonly #most: number;
  readonly #digests = new Map<string, string>();

  constructor(most: number = MAX_KNOWN) {
    this.#most = most;
  }

  /** @param identity as `identityOf` gives it, of the file as it is now */
  find(identity: string): string | undefined {
    const digest = this.#digests.get(identity);
    if (digest === undefined) return undefined;
    this.#digests.delete(identity);
    this.#digests.set(identity, digest);
    return digest;
  }

  /**
   * @param identity of the file before and after it was read
   * @param readAt when it began to be read, ms since the epoch
   */
  keep(identity: string, digest: string, readAt: number): void {
    const ctimeNs = BigInt(identity.split(':')[2] ?? 0);
    if (readAt - Number(ctimeNs / 1_000_000n) < UNTRUSTED_MS) return;
    this.#digests.set(identity, digest);
    const [oldest] = this.#digests.keys();
    if (this.#digests.size > this.#most && oldest !== undefined) this.#digests.delete(oldest);
  }
}

/**
 * The digest of a regular file, remembered or read.
 *
 * @param flags for opening it beside reading
 * @param known where it may be remembered; undefined to read in any case
 * @returns undefined when it changed while it was read, or is no regular file
 * @throws a system error
 */
export async function digestOfFile(
  path: string,
  flags: number,
  known: KnownDigests | undefined,
): Promise<string | undefined> {
  const descriptor = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  try {
    const readAt = Date.now();
    const before = await statsOf(descriptor);
    if (!before.isFile()) return undefined;
    const identity = identityOf(before);
    const found = known?.find(identity);
    if (found !== undefined) return found;
    const digests = new FileDigests();
    const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(DIGEST_BLOCK_BYTES, Number(before.size))));
    for (let at = 0; at < before.size;) {
      const bytes = await readInto(descriptor, buffer, at);
      if (bytes === 0) return undefined;
      digests.update(buffer.subarray(0, bytes));
      at += bytes;
    }
    if (identityOf(await statsOf(descriptor)) !== identity) return undefined;
    const { digest } = digests.finish();
    known?.keep(identity, digest, readAt);
    return digest;
  } finally {
    await closeFile(descriptor);
  }
}

function statsOf(descriptor: number): Promise<BigIntStats> {
  return new Promise((resolve, reject) => {
    fstat(descriptor, { bigint: true }, (error, stats) => (error === null ? resolve(stats) : reject(error)));
  });
}

function readInto(descriptor: number, buffer: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, buffer, 0, buffer.length, position, (error, bytes) =>
      error === null ? resolve(bytes) : reject(error),
    );
  });
}
