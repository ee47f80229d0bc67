import {
  FilerError,
  formatEnd,
  formatEntryFailure,
  formatFile,
  type ErrorCode,
  type FileEnd,
  type Message,
} from '@filer/protocol';
import { send, type Channel } from './channel.ts';
import { Pump } from './pump.ts';
import { OpenSource, type Source } from './source.ts';

/** A source that changes while it is sent is sent so many times. */
const MAX_TRIES = 2;

/** A file on its way, for its sender. */
export interface SentFile {
  readonly entry: number;
  readonly source: Source;
  /** What was said when it had gone whole. */
  end?: FileEnd;
}

/** Who follows the files that go out. */
export interface OutgoingOwner {
  started(file: SentFile): void;
  /** More of a file went to the operating system. @returns whether the file is still wanted */
  sent(file: SentFile, bytes: number, fileBytes: number, fileSize: number): boolean;
}

/** Turns files into `file`, `chunk`… and `end`, one after the other. */
export class Outgoing {
  readonly #channel: Channel;
  readonly #owner: OutgoingOwner;
  readonly #pump: Pump;

  constructor(channel: Channel, owner: OutgoingOwner) {
    this.#channel = channel;
    this.#owner = owner;
    this.#pump = new Pump(channel);
  }

  /**
   * Sends one file, again if it changed meanwhile.
   *
   * @returns why this file, and no other, did not go; undefined when it went
   * @throws FilerError what ends the transfer
   */
  async send(file: SentFile): Promise<FilerError | undefined> {
    const { entry, source } = file;
    this.#owner.started(file);
    const what = JSON.stringify(source.name.toWellFormed());
    const changed = new FilerError(
      'source-changed',
      `${what} changed each time while it was being sent: try again`,
    );
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      try {
        const went = await this.#once(file);
        if (went === 'whole') return undefined;
        await this.#abandon(entry, changed.code, 'the file changed while it was being sent');
        if (went === 'unwanted') return undefined;
      } catch (error) {
        if (!(error instanceof FilerError) || !SOURCE_CODES.has(error.code)) throw error;
        await this.#abandon(entry, error.code, error.message);
        return error;
      }
    }
    return changed;
  }

  async #once(file: SentFile): Promise<'whole' | 'changed' | 'unwanted'> {
    const { entry, source } = file;
    await using opened = await OpenSource.open(source.file);
    const { size, mtimeNs, mode } = opened.facts;
    await this.#say(formatFile({ entry, size, mtimeNs, mode }));
    let fileBytes = 0;
    let wanted = true;
    const digests = await this.#pump.run(entry, opened, size, (bytes) => {
      fileBytes += bytes;
      wanted = this.#owner.sent(file, bytes, fileBytes, size);
      return wanted;
    });
    if (!wanted) return 'unwanted';
    if (digests === undefined || (await opened.changed())) return 'changed';
    // Noted before it is said: the receipt may come before `send` resolves.
    file.end = { entry, size, ...digests };
    await this.#say(formatEnd(file.end));
    return 'whole';
  }

  #abandon(entry: number, code: ErrorCode, message: string): Promise<void> {
    return this.#say(formatEntryFailure('abandon', { entry, code, message }));
  }

  #say(message: Message): Promise<void> {
    return send(this.#channel, message);
  }
}

/** What concerns one source alone. */
const SOURCE_CODES: ReadonlySet<ErrorCode> = new Set(['path-missing', 'path-unreadable', 'path-unsupported']);
