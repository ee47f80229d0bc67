import { open, rm, type FileHandle } from 'node:fs/promises';
import { FilerError, messageOf, systemCode, writeFailure } from '@filer/protocol';
import type { Extent, Growing } from '@filer/transfer';
import { markOf } from './spool-folder.ts';

/**
 * What comes from standard input, or another stream, written to a file as it comes: it can be sent meanwhile, to several
 * machines, and again after a loss.
 */
export class SpooledStream implements Growing {
  readonly file: string;
  #bytes = 0;
  #complete = false;
  #failure: FilerError | undefined;
  #more = Promise.withResolvers<void>();

  private constructor(file: string) {
    this.file = file;
  }

  /**
   * @param file made, this user's alone; must not exist
   * @throws FilerError `home-not-writable`, `no-space`
   */
  static async open(stream: NodeJS.ReadableStream, file: string): Promise<SpooledStream> {
    let handle: FileHandle;
    try {
      await (await open(markOf(file), 'wx', 0o600)).close();
      handle = await open(file, 'wx', 0o600);
    } catch (error) {
      throw spoolError(file, error);
    }
    const spooled = new SpooledStream(file);
    void spooled.#take(stream, handle);
    return spooled;
  }

  /** Whether all of it came. */
  get isComplete(): boolean {
    return this.#complete;
  }

  async reach(bytes: number): Promise<Extent> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#bytes >= bytes || this.#complete) return { bytes: this.#bytes, complete: this.#complete };
      await this.#more.promise;
    }
  }

  /** Never rejects: `reach` tells. */
  async #take(stream: NodeJS.ReadableStream, handle: FileHandle): Promise<void> {
    try {
      try {
        for await (const chunk of readable(stream)) {
          const bytes: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
          // A full disk shows first as a short write.
          for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
          this.#bytes += bytes.length;
          this.#wake();
        }
        // Before it is called whole: a power cut must not make it shorter, to be sent like that.
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rm(markOf(this.file), { force: true });
      this.#complete = true;
    } catch (error) {
      this.#failure = error instanceof FilerError ? error : spoolError(this.file, error);
    }
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#more;
    this.#more = Promise.withResolvers();
    resolve();
  }
}

/** What comes on it. @throws FilerError `path-unreadable` */
async function* readable(stream: NodeJS.ReadableStream): AsyncGenerator<string | Buffer, void> {
  try {
    yield* stream;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw new FilerError(
      'path-unreadable',
      `standard input cannot be read to its end (${messageOf(error)}): check what it comes from`,
      { cause: error },
    );
  }
}

function spoolError(file: string, cause: unknown): FilerError {
  const otherwise = 'send a file, which is not kept while it is sent';
  return writeFailure(`standard input cannot be kept in ${file}`, file, cause, { otherwise });
}
