import { readdirSync, type BigIntStats } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { FilerError } from '@filer/protocol';
import {
  contentOfFolder,
  linkAt,
  LINK,
  removeTree,
  statsAt,
  type Folder,
  type StagedItem,
  type Standing,
} from '@filer/transfer';
import type { StageFiles } from '../../store/stage-files.ts';
import type { KeptStage } from '../../store/stage-rows.ts';

/** Entries that are noted together. */
const NOTED_AT_ONCE = 1_000;

/** Notes what is in a stage, and removes what an earlier try left in it. */
export class Sealing {
  readonly #store: StageFiles;
  readonly #stage: KeptStage;
  readonly #stands: (path: string) => Standing;
  readonly #tops: string[] = [];
  #items: [string, StagedItem][] = [];
  #sums = { files: 0, bytes: 0, entries: 0 };

  constructor(store: StageFiles, stage: KeptStage, stands: (path: string) => Standing) {
    this.#store = store;
    this.#stage = stage;
    this.#stands = stands;
  }

  async run(
    root: Folder,
  ): Promise<{ tops: readonly string[]; files: number; bytes: number; entries: number }> {
    this.#store.unseal(this.#stage.id);
    await this.#below(root, '', false);
    this.#flush();
    this.#requireNoneGone();
    this.#store.dropUnsealed(this.#stage.id);
    return { tops: this.#tops, ...this.#sums };
  }

  /** @throws FilerError `refused` for what came, and is no longer there */
  #requireNoneGone(): void {
    const { id, folder, hidden } = this.#stage;
    for (const path of this.#store.unsealed(id))
      if (this.#stands(join(folder, hidden, path)) === 'yes')
        throw new FilerError(
          'refused',
          `${JSON.stringify(path)} was removed while it was staged: send it again`,
        );
  }

  /** @returns whether something in it is of the job */
  async #below(folder: Folder, above: string, isInTop: boolean): Promise<boolean> {
    const { folder: base, hidden } = this.#stage;
    let isNeeded = false;
    for (const name of readdirSync(folder.at('.'))) {
      const path = above === '' ? name : `${above}/${name}`;
      const there = statsAt(folder, name);
      if (there === undefined) continue;
      const stands = this.#stands(join(base, hidden, path)) === 'yes';
      if (stands && !isInTop) this.#tops.push(path);
      let keeps = stands;
      if (there.isDirectory()) {
        using inner = folder.open(name);
        const before = inner.facts();
        keeps = (await this.#below(inner, path, isInTop || stands)) || stands;
        inner.finish(before.mode, String(Number(before.mtimeNs) / 1e9));
      }
      if (keeps) isNeeded = true;
      else await removeTree(folder.at(name));
      if (stands) await this.#note(folder, name, path, there);
    }
    return isNeeded;
  }

  async #note(folder: Folder, name: string, path: string, there: BigIntStats): Promise<void> {
    this.#sums.entries++;
    this.#items.push([path, this.#itemOf(folder, name, path, there)]);
    if (this.#items.length < NOTED_AT_ONCE) return;
    this.#flush();
    await turn();
  }

  /** @throws FilerError `refused` for what has not come */
  #itemOf(folder: Folder, name: string, path: string, there: BigIntStats): StagedItem {
    const { mtimeNs } = there;
    if (there.isDirectory())
      return { kind: 'dir', content: contentOfFolder(Number(there.mode)), size: 0, mtimeNs };
    if (there.isSymbolicLink()) {
      this.#sums.files++;
      return { kind: 'link', content: linkAt(folder, name)?.slice(LINK.length) ?? '', size: 0, mtimeNs };
    }
    const noted = this.#store.item(this.#stage.id, path);
    if (noted === undefined || noted.size !== Number(there.size))
      throw new FilerError(
        'refused',
        `${JSON.stringify(path)} has changed while it was staged: send it again`,
      );
    this.#sums.files++;
    this.#sums.bytes += noted.size;
    return { ...noted, kind: 'file', mtimeNs };
  }

  #flush(): void {
    this.#store.put(this.#stage.id, 'set', this.#items);
    this.#items = [];
  }
}
