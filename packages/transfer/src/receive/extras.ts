import { setImmediate as turn } from 'node:timers/promises';
import {
  FilerError,
  MAX_BATCH_NAME_CHARS,
  MAX_ENTRIES_PER_BATCH,
  type Extra,
  type ExtraKept,
  type ExtrasAsked,
  type RemovedFile,
} from '@filer/protocol';
import { parseSafePath } from '../disk/safe-path.ts';
import { outOfPlace } from '../wire/ending.ts';
import { ExtraRemover, type ExtraRemoverOptions } from './extra-remover.ts';
import { FoundExtras, kindOf, type Found, type FoundExtrasOptions } from './found-extras.ts';
import { RemovalNotes, type RemovalNotesOptions } from './removal-notes.ts';

/** Rows that are read at once. */
const PAGE = 500;

/** Removals that are noted together, before the first of them and after the last: a kill in between loses no record. */
const NOTED_AT_ONCE = 32;

/** Looking waits for little: this long it may hold up all else, in ms. */
const TURN_MS = 10;

export interface ExtrasOptions extends FoundExtrasOptions, ExtraRemoverOptions, RemovalNotesOptions {
  /** Aborted when the sender is gone. */
  readonly gone: AbortSignal;
}

export interface Removal {
  readonly removed: readonly RemovedFile[];
  readonly kept: readonly ExtraKept[];
}

/**
 * What a sender delivered before, and did not announce in this transfer: listed, and removed on its word. Nothing else can be
 * removed: neither what another one delivered or changed, nor anything outside the sender's folder, nor through a link.
 */
export class Extras implements Disposable {
  readonly #options: ExtrasOptions;
  readonly #found: FoundExtras;
  readonly #remover: ExtraRemover;

  constructor(options: ExtrasOptions) {
    this.#options = options;
    this.#found = new FoundExtras(options);
    this.#remover = new ExtraRemover(options);
  }

  [Symbol.dispose](): void {
    this.#found[Symbol.dispose]();
  }

  /** One page, of a folder of this transfer. @throws FilerError `name-refused`, `unexpected-message`, `connection-closed` */
  async list({ top, before }: ExtrasAsked): Promise<{ extras: Extra[]; more: boolean }> {
    const components = parseSafePath(top);
    const folder = this.#found.pathOf(components.join('/'));
    let last = before === undefined ? undefined : this.#found.pathOf(parseSafePath(before).join('/'));
    if (last?.startsWith(`${folder}/`) === false) throw outOfPlace('a page of another folder');
    // One that was announced and is not there has nothing to remove either.
    if (!this.#found.isInScope(components)) return { extras: [], more: false };
    const extras: Extra[] = [];
    let chars = 0;
    let since = performance.now();
    for (;;) {
      const rows = this.#options.deliveries.below(folder, last, PAGE);
      for (const row of rows) {
        last = row.path;
        const extra = this.#found.extraOf(row);
        if (extra !== undefined) extras.push(extra);
        chars += extra === undefined ? 0 : extra.name.length + extra.path.length;
        if (extras.length >= MAX_ENTRIES_PER_BATCH || chars >= MAX_BATCH_NAME_CHARS)
          return { extras, more: true };
      }
      if (rows.length < PAGE) return { extras, more: false };
      since = await this.#breathe(since);
    }
  }

  /**
   * Removes what is still as it was delivered, and says why the rest stays; of what is not there nothing is said.
   *
   * @param names as `list` gave them, in that order @param dryRun whether nothing is removed
   * @throws FilerError `connection-closed`, `no-space`, `home-not-writable`
   */
  async remove(names: readonly string[], dryRun: boolean): Promise<Removal> {
    const removed: RemovedFile[] = [];
    const kept: ExtraKept[] = [];
    const notes = dryRun ? undefined : new RemovalNotes(this.#options, this.#found);
    let since = performance.now();
    try {
      for (const [n, name] of names.entries()) {
        since = await this.#breathe(since);
        if (n % NOTED_AT_ONCE === 0) {
          await notes?.end();
          await notes?.begin(names.slice(n, n + NOTED_AT_ONCE));
        }
        try {
          const found = this.#found.find(name);
          if (found === undefined) continue;
          if (!('folder' in found)) {
            // What was there when it was noted was removed by somebody else.
            if (notes?.isAbout(found.path) === true) continue;
            removed.push(found);
            notes?.gone(found);
            continue;
          }
          const why = dryRun ? await this.#remover.judge(found) : await this.#remover.remove(found);
          if (why !== undefined) {
            kept.push({ name, ...why });
            continue;
          }
          const file = fileOf(found);
          removed.push(file);
          notes?.gone(file, found.parent);
        } catch (error) {
          if (!(error instanceof FilerError)) throw error;
          kept.push({ name, code: error.code, message: error.message });
        }
      }
    } finally {
      await notes?.end();
    }
    return { removed: dryRun ? [] : removed, kept };
  }

  /** Lets others work after a while. @throws FilerError `connection-closed` */
  async #breathe(since: number): Promise<number> {
    if (this.#options.gone.aborted)
      throw new FilerError('connection-closed', 'the sender left while its files were looked at');
    if (performance.now() - since <= TURN_MS) return since;
    await turn();
    return performance.now();
  }
}

function fileOf({ name, path, stats, delivered: { content } }: Found): RemovedFile {
  const kind = kindOf(content);
  if (kind !== 'file') return { name, path, kind, size: 0 };
  return { name, path, kind, size: Number(stats.size), digest: content };
}
