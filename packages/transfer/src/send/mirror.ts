import {
  FilerError,
  formatExtras,
  formatRemove,
  MAX_TRANSFER_ENTRIES,
  parseExtrasAnswer,
  parseRemoved,
  type Extra,
  type ExtraKept,
  type Removed,
  type RemovedBatch,
} from '@filer/protocol';
import type { Expected } from '../receipts/check-receipts.ts';
import { checkRemoved } from '../receipts/removed.ts';
import { isInsideInbox } from '../disk/safe-path.ts';
import type { Requests } from '../wire/requests.ts';
import { isGone, type SentFolder } from './gone-files.ts';
import type { WalkOptions } from './walk.ts';

export interface MirrorOptions {
  readonly ignored: WalkOptions['ignored'];
  /** What became of links inside the folders. @default keep */
  readonly links?: WalkOptions['links'];
  /** What the receiver's word must name; undefined for a dry run, in which nothing is removed. */
  readonly expected: Expected | undefined;
  /** Names that the receiver has signed for as removed in an earlier run of the job. */
  readonly removedBefore?: ReadonlySet<string> | undefined;
  /** Awaited before what was removed is told. */
  readonly keep?: ((batch: RemovedBatch) => void | Promise<void>) | undefined;
  /** `file` is where it was here. */
  readonly onRemoved: (extra: Extra, file: string) => void;
  readonly onKept: (kept: ExtraKept, file: string) => void;
}

/** Has a receiver remove what it was sent before, and is no longer here. */
export class Mirror {
  readonly #requests: Requests;
  readonly #options: MirrorOptions;
  #told = 0;

  constructor(requests: Requests, options: MirrorOptions) {
    this.#requests = requests;
    this.#options = options;
  }

  /**
   * @param tops folders of one name: what is in one of them is not gone
   * @param mayRemove whether all of it was delivered; asked once the receiver has told about all that it got
   * @throws FilerError `message-malformed`, `verification-failed`, what the receiver answers
   */
  async run(tops: readonly SentFolder[], mayRemove: () => Promise<boolean>): Promise<void> {
    const [first] = tops;
    if (first === undefined) return;
    let before: string | undefined;
    for (let more = true; more;) {
      const page = await this.#requests.ask(
        'extras-answer',
        (id) => formatExtras({ id, top: first.name, before }),
        parseExtrasAnswer,
      );
      if (!(await mayRemove())) return;
      for (const extra of page.extras) {
        this.#require(extra, first.name, before);
        before = extra.name;
      }
      const { removedBefore } = this.#options;
      const gone = page.extras.filter(
        (extra) =>
          removedBefore?.has(extra.name) !== true && tops.every((top) => isGone(top, extra, this.#options)),
      );
      if (gone.length > 0) await this.#remove(gone, first);
      more = page.more && page.extras.length > 0;
    }
  }

  /** @throws FilerError `message-malformed` */
  #require({ name, path }: Extra, top: string, before: string | undefined): void {
    const isNext = before === undefined || Buffer.compare(Buffer.from(name), Buffer.from(before)) < 0;
    if (isNext && name.startsWith(`${top}/`) && isInsideInbox(name) && isInsideInbox(path))
      if (++this.#told <= MAX_TRANSFER_ENTRIES) return;
    throw new FilerError('message-malformed', 'the receiver names what was not sent to it');
  }

  async #remove(gone: readonly Extra[], { file, name: top }: SentFolder): Promise<void> {
    const { expected, keep, onRemoved, onKept } = this.#options;
    const asked = new Map(gone.map((extra) => [extra.name, extra]));
    const names = [...asked.keys()];
    const dryRun = expected === undefined;
    const here = (name: string): string => `${file}/${name.slice(top.length + 1)}`;
    const { removed, kept } = await this.#requests.ask(
      'removed',
      (id) => formatRemove({ id, names, dryRun }),
      (answer): Omit<Removed, 're'> => parseRemoved(answer),
    );
    if (removed !== null) {
      if (expected === undefined)
        throw new FilerError('unexpected-message', 'the receiver removed files in a dry run');
      checkRemoved(removed, expected, new Set(names));
      await keep?.(removed);
    }
    for (const each of kept) {
      if (!asked.has(each.name))
        throw new FilerError('message-malformed', 'the receiver keeps what was not named to it');
      onKept(each, here(each.name));
    }
    const isKept = new Set(kept.map(({ name }) => name));
    const went = dryRun ? gone.filter(({ name }) => !isKept.has(name)) : (removed?.files ?? []);
    for (const extra of went) onRemoved(extra, here(extra.name));
  }
}
