import { readdirSync, rmdirSync } from 'node:fs';
import { systemCode, type ExtraKept } from '@filer/protocol';
import { asideIn } from '../disk/hidden.ts';
import { Aside } from '../disk/replacing.ts';
import { utimesTime } from '../disk/times.ts';
import { CLOSED_FOLDER, isClosed, isFolder } from './deliveries.ts';
import type { ExistingDigests } from './existing-digests.ts';
import type { Found, FoundExtrasOptions } from './found-extras.ts';
import { identityOfUnchanged } from './ownership.ts';

/** Names of a dry run that are remembered; a folder that holds more is said to stay. */
const MAX_WOULD_GO = 200_000;

export interface ExtraRemoverOptions extends Pick<FoundExtrasOptions, 'root' | 'deliveries' | 'isAnnounced'> {
  readonly files: ExistingDigests;
  readonly mark: string | undefined;
}

/** Why something stays. */
type Kept = Omit<ExtraKept, 'name'>;

/** Removes what is still as it was delivered, one by one. */
export class ExtraRemover {
  readonly #options: ExtraRemoverOptions;
  /** Of a dry run: what would be removed, by path. Folders that hold nothing else would be, too. */
  readonly #wouldGo = new Set<string>();

  constructor(options: ExtraRemoverOptions) {
    this.#options = options;
  }

  /** @returns why it stays; undefined when it is gone */
  async remove(found: Found): Promise<Kept | undefined> {
    const { folder, own, stats, delivered } = found;
    if (this.#isProtected(found)) return changed(found);
    if (isFolder(delivered.content))
      return stats.isDirectory() ? this.#inFolder(found, () => removeFolder(found)) : changed(found);
    const identity = await identityOfUnchanged(folder, own, stats, delivered, this.#options.files);
    if (identity === undefined) return changed(found);
    const { root, mark } = this.#options;
    const aside = this.#inFolder(found, () =>
      Aside.take(folder, own, { identity }, asideIn(root ?? folder, mark)),
    );
    if (aside === undefined) return changed(found);
    await aside.remove();
    return undefined;
  }

  /** Removes nothing, and remembers what would go. @returns why something would stay; undefined when it would go */
  async judge(found: Found): Promise<Kept | undefined> {
    const why = await this.#whyKept(found);
    if (why === undefined) this.#noteWouldGo(found.path);
    return why;
  }

  async #whyKept(found: Found): Promise<Kept | undefined> {
    const { folder, own, stats, delivered, path } = found;
    if (this.#isProtected(found)) return changed(found);
    if (!isFolder(delivered.content)) {
      const identity = await identityOfUnchanged(folder, own, stats, delivered, this.#options.files);
      return identity === undefined ? changed(found) : undefined;
    }
    if (!stats.isDirectory()) return changed(found);
    using inner = folder.enter(own);
    if (inner === undefined) return changed(found);
    const isEmpty = readdirSync(inner.at('.')).every((name) => this.#wouldGo.has(`${path}/${name}`));
    return isEmpty ? undefined : notEmpty(found);
  }

  #noteWouldGo(path: string): void {
    this.#wouldGo.add(path);
    const [oldest = ''] = this.#wouldGo;
    if (this.#wouldGo.size > MAX_WOULD_GO) this.#wouldGo.delete(oldest);
  }

  /** Whether a person took the right to write to a folder, or to the one that something is in, since it was sent. */
  #isProtected({ folder, path, stats, delivered }: Found): boolean {
    if (stats.isDirectory() && isClosed(Number(stats.mode)) && delivered.content !== CLOSED_FOLDER)
      return true;
    if (!isClosed(folder.facts().mode)) return false;
    const parent = path.slice(0, path.lastIndexOf('/'));
    // One that was announced in this transfer has got the mode that it was sent with.
    return (
      !this.#options.isAnnounced(parent) && this.#options.deliveries.find(parent)?.content !== CLOSED_FOLDER
    );
  }

  /** Does something in the folder that something is in, which keeps its permissions and its time. */
  #inFolder<T>({ folder }: Found, work: () => T): T {
    const facts = folder.facts();
    folder.makeFillable();
    try {
      return work();
    } finally {
      folder.finish(facts.mode, utimesTime(facts.mtimeNs));
    }
  }
}

/** @returns why it stays */
function removeFolder(found: Found): Kept | undefined {
  const { folder, own } = found;
  try {
    rmdirSync(folder.at(own));
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT') return undefined;
    return code === 'ENOTEMPTY' || code === 'EEXIST' ? notEmpty(found) : changed(found);
  }
}

function changed({ name }: Found): Kept {
  const message = `${JSON.stringify(name)} has changed there since it was delivered: it is kept`;
  return { code: 'refused', message };
}

function notEmpty({ name }: Found): Kept {
  const message = `the folder ${JSON.stringify(name)} holds there what was not delivered or has changed: it is kept`;
  return { code: 'refused', message };
}
