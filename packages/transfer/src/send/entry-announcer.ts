import {
  FilerError,
  formatEntries,
  MAX_ENTRIES_PER_BATCH,
  parseEntriesAnswer,
  type Entry,
  type Message,
} from '@filer/protocol';
import { EMPTY_DIGESTS } from '../digests/digests.ts';
import { versionOf, type KnownDigests } from '../digests/known-digests.ts';
import type { SentFile } from './sent-file.ts';
import type { Requests } from '../wire/requests.ts';
import type { SentEntries } from './sent-entries.ts';
import type { Source } from './source.ts';
import type { SourceBatcher } from './source-batcher.ts';
import { takeAnswer, type AnswerRules } from './take-answer.ts';

/** Batches of entries that may wait for their answer: a round trip costs no stream. */
const MAX_BATCHES_IN_FLIGHT = 4;

export interface EntryAnnouncerOptions extends AnswerRules {
  /** Whether contents are read to be compared, whatever is remembered of them. @default false */
  readonly checksum?: boolean | undefined;
  /**
   * Whether the receiver is told which files these are, so that it refuses one that it finds at its own place: it would be
   * removed here once the receiver has it. @default false
   */
  readonly tellsVersions?: boolean | undefined;
  /** Digests that are remembered; shared by all transfers. @default none */
  readonly known?: KnownDigests | undefined;
}

/** Entries that were announced together. */
interface Batch {
  /** The files among them that the receiver wants. */
  readonly wanted: Promise<readonly SentFile[]>;
  answered: boolean;
}

/** Announces what was found, some batches ahead of what is sent, and takes the receiver's answers. */
export class EntryAnnouncer {
  readonly #batcher: SourceBatcher;
  readonly #entries: SentEntries;
  readonly #requests: Requests;
  readonly #options: EntryAnnouncerOptions;
  readonly #inFlight: Batch[] = [];
  /** Found, and not announced yet. */
  #batch: readonly Source[] = [];
  /** The number of its first entry. */
  #next = 0;

  constructor(
    supply: SourceBatcher,
    entries: SentEntries,
    requests: Requests,
    options: EntryAnnouncerOptions,
  ) {
    this.#batcher = supply;
    this.#entries = entries;
    this.#requests = requests;
    this.#options = options;
  }

  /** What is announced first: each of it gets a result from now on. */
  begin(first: readonly Source[]): void {
    this.#batch = first;
    this.#entries.expect(0, first);
  }

  /**
   * Announces as much as may be ahead; what is wanted goes out before the walk continues.
   *
   * @returns whether there is an answer to be taken by `wanted`
   */
  async advance(): Promise<boolean> {
    const inFlight = this.#inFlight;
    while (
      this.#batch.length > 0 &&
      inFlight.length < MAX_BATCHES_IN_FLIGHT &&
      inFlight[0]?.answered !== true
    ) {
      inFlight.push(this.#announce(this.#next, this.#batch));
      this.#next += this.#batch.length;
      this.#batch = await this.#batcher.next(MAX_ENTRIES_PER_BATCH);
      this.#entries.expect(this.#next, this.#batch);
    }
    return inFlight.length > 0;
  }

  /** Takes the oldest answer. @returns the files of its batch that the receiver wants */
  async wanted(): Promise<readonly SentFile[]> {
    return (await this.#inFlight.shift()?.wanted) ?? [];
  }

  #announce(first: number, sources: readonly Source[]): Batch {
    const batch: Batch = { wanted: this.#ask(first, sources), answered: false };
    batch.wanted.then(
      () => (batch.answered = true),
      () => undefined, // awaited in its turn
    );
    return batch;
  }

  /** Announces one batch. @returns the files of it that the receiver wants */
  async #ask(first: number, batch: readonly Source[]): Promise<SentFile[]> {
    const entryOf = (source: Source, index: number): Entry => {
      const { kind, name, size, mtimeNs, mode, target, growing, identity } = source;
      const isTold = this.#options.tellsVersions === true && kind === 'file';
      const digest = this.#digestKnown(this.#entries.get(first + index));
      return {
        path: name,
        kind,
        size,
        mtimeNs,
        mode,
        ...(target === undefined ? {} : { target }),
        ...(digest === undefined ? {} : { digest }),
        ...(growing === undefined ? {} : { growing: true }),
        ...(isTold ? { version: versionOf(identity) } : {}),
      };
    };
    const announce = (): Entry[] => batch.map(entryOf);
    const entries = this.#options.known?.together(announce) ?? announce();
    const last = this.#batcher.complete;
    return await this.#requests.ask(
      'entries-answer',
      (id) => formatEntries({ id, first, last, entries }),
      (answer) => this.#takeAnswers(first, batch.length, answer),
    );
  }

  #takeAnswers(first: number, entries: number, answer: Message): SentFile[] {
    const { answers } = parseEntriesAnswer(answer);
    if (answers.length !== entries)
      throw new FilerError('message-malformed', `${answers.length} answers came to ${entries} entries`);
    return answers.flatMap((each, index) => {
      const file = this.#entries.awaiting(first + index);
      return takeAnswer(file, each, this.#entries, this.#options) ? [file] : [];
    });
  }

  get #remembered(): KnownDigests | undefined {
    return this.#options.checksum === true ? undefined : this.#options.known;
  }

  /** Notes what is remembered of a file, to hold the receiver's word against it. */
  #digestKnown(file: SentFile | undefined): string | undefined {
    if (file?.source.kind !== 'file' || file.source.growing !== undefined) return undefined;
    const { size, identity } = file.source;
    const known = size === 0 ? EMPTY_DIGESTS : this.#remembered?.find(identity);
    if (known === undefined) return undefined;
    file.known = { size, digest: known.digest, blocks: known.blocks };
    return known.digest;
  }
}
