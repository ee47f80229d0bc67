import {
  formatBasisRequest,
  formatSkip,
  parseBasisAnswer,
  type BasisBlockList,
  type PresentFile,
} from '@filer/protocol';
import { send } from '../wire/channel.ts';
import type { EarlyEnd } from '../wire/early-end.ts';
import type { Extent } from '../wire/growing.ts';
import type { Requests } from '../wire/requests.ts';
import type { StallWatchdog } from '../wire/stall-watchdog.ts';
import { compareWithThere } from './compare-existing.ts';
import { Outgoing } from './outgoing.ts';
import type { SendOptions } from './send-options.ts';
import type { OutgoingOwner, OutgoingParts, SentFile } from './sent-file.ts';
import type { SentEntries } from './sent-entries.ts';
import type { SourceBatcher } from './source-batcher.ts';

export interface FileSenderParts extends Omit<OutgoingParts, 'owner'>, Pick<SendOptions, 'known'> {
  readonly requests: Requests;
  readonly batcher: SourceBatcher;
  readonly entries: SentEntries;
  readonly watchdog: StallWatchdog;
  readonly end: EarlyEnd;
  /** Rejects when the transfer ends early: nothing is waited for then. */
  readonly over: Promise<never>;
}

/** Sends the files that a receiver wants, one after the other, and counts what went. */
export class FileSender implements OutgoingOwner {
  readonly #parts: FileSenderParts;
  readonly #outgoing: Outgoing;

  constructor(parts: FileSenderParts) {
    this.#parts = parts;
    this.#outgoing = new Outgoing({ ...parts, owner: this });
  }

  /** @throws FilerError what ends the transfer; what one file failed by stands in its outcome */
  async send(file: SentFile): Promise<void> {
    const { end, lane, batcher, entries, watchdog, known } = this.#parts;
    if (end.reason !== undefined) throw end.reason;
    lane?.found(batcher.bytes);
    lane?.at(file.entry, 0);
    const isWhole = file.source.growing === undefined;
    if (isWhole && file.files !== undefined && (await watchdog.work(this.#skip(file, file.files)))) return;
    const sentAt = Date.now();
    const failure = await this.#outgoing.send(file);
    if (failure !== undefined) entries.failed(file.entry, failure, 'here');
    if (file.end !== undefined && file.identity !== undefined)
      known?.keepRead(file.identity, file.end, sentAt);
  }

  /** All has gone that goes: what waits for more small files goes, too. */
  finish(): void {
    this.#outgoing.flush();
    this.#parts.lane?.at(Number.MAX_SAFE_INTEGER, 0);
  }

  /** Tells the receiver that a file is one of those that it has. @returns whether it is */
  async #skip(file: SentFile, there: readonly PresentFile[]): Promise<boolean> {
    const digest = await compareWithThere(file, there, this.#parts.known);
    if (digest === undefined) return false;
    await send(this.#parts.channel, formatSkip({ entry: file.entry, digest }));
    return true;
  }

  started(file: SentFile): void {
    this.#parts.entries.started(file);
  }

  async reach(file: SentFile, bytes: number): Promise<Extent> {
    const { batcher, watchdog, over } = this.#parts;
    const { growing, size } = file.source;
    if (growing === undefined) return { bytes: size, complete: true };
    const known = file.extent ?? { bytes: size, complete: false };
    file.extent = await watchdog.work(Promise.race([growing.reach(bytes), over]));
    batcher.grown(file.extent.bytes - known.bytes, file.extent.complete && !known.complete);
    return file.extent;
  }

  sent(file: SentFile, bytes: number, fileBytes: number, fileSize: number): boolean {
    this.#parts.watchdog.exchanged();
    this.#parts.watchdog.moved(bytes);
    return this.#parts.entries.sent(file, bytes, fileBytes, fileSize);
  }

  async basis(entry: number, first: number, count: number, sums: boolean): Promise<BasisBlockList> {
    return await this.#parts.requests.ask(
      'basis-answer',
      (id) => formatBasisRequest({ id, entry, first, count, sums }),
      (answer) => parseBasisAnswer(answer, count),
    );
  }
}
