import { FilerError, type ReceiptFile } from '@filer/protocol';
import type { ExistingFile } from './existing-digests.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import type { DestinationFolder } from '../disk/destination-folder.ts';
import type { ExistingFiles } from './existing-files.ts';
import type { FileFacts } from './refresh-existing.ts';
import type { BoundedTasks } from '../wire/bounded-tasks.ts';

export interface ExistingFileReceiptsOptions {
  readonly place: DestinationFolder;
  readonly present: ExistingFiles;
  readonly sync: boolean;
}

/** A file that needs not come. */
export interface Identical {
  readonly entry: number;
  readonly name: string;
  readonly size: number;
  readonly components: readonly string[];
  readonly there: ExistingFile;
  readonly facts: FileFacts;
}

/** Gives the receipts of files that need not come. */
export class ExistingFileReceipts {
  readonly #options: ExistingFileReceiptsOptions;
  readonly #owner: IncomingOwner;
  readonly #beside: BoundedTasks;
  /** Found in the newest batch: its sender is told about them first. */
  #identical: Identical[] = [];

  /** @param beside where files are brought to the disk or their facts set right */
  constructor(options: ExistingFileReceiptsOptions, owner: IncomingOwner, beside: BoundedTasks) {
    this.#options = options;
    this.#owner = owner;
    this.#beside = beside;
  }

  /** It is vouched for by the next `vouch`. */
  add(identical: Identical): void {
    this.#options.present.stands(identical);
    this.#identical.push(identical);
  }

  /** Gives the receipts of what needs not come, after its sender was told that it needs not. */
  async vouch(): Promise<void> {
    const { present, sync } = this.#options;
    const settled: ReceiptFile[] = [];
    for (const identical of this.#identical.splice(0)) {
      const { entry, name, size, there, facts } = identical;
      if (present.isSettled(there, facts, sync)) {
        const { digest, blocks, synced } = there;
        const path = this.#pathOf(identical);
        const shared = present.shared(identical);
        if (shared !== undefined) await shared;
        settled.push({ entry, name, path, size, digest, blocks, synced, present: true });
      } else await this.vouchFor(identical);
    }
    this.#owner.wereThere(settled);
    for (const { name, size, path, digest } of settled)
      this.#owner.result({ name, size, status: 'skipped', path, digest });
  }

  /** Gives the receipt of one. Never rejects but for a bug. */
  async settle(identical: Identical): Promise<void> {
    const { entry, name, size, components, there, facts } = identical;
    const { present, sync } = this.#options;
    const { digest, blocks, remembered } = there;
    const path = this.#pathOf(identical);
    try {
      const synced = there.synced || (sync && (await present.sync(components, there)));
      if (!remembered) await present.adopt(components, there, facts.mtimeNs);
      await present.refresh(components, there, facts);
      await present.shared(identical);
      const file = { entry, name, path, size, digest, blocks, synced, present: true } as const;
      // What is remembered was noted before it was.
      if (remembered) this.#owner.wasThere(file);
      else await this.#owner.inPlace(file, there.isCopy === true);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      const { code, message } = error;
      this.#owner.failed({ entry, code, message });
      this.#owner.result({ name, size, status: 'failed', code, message, failedBy: 'here' });
      return;
    }
    this.#owner.result({ name, size, status: 'skipped', path, digest });
  }

  /** The sender named one that is here, instead of sending it. */
  async vouchFor(identical: Identical): Promise<void> {
    this.#options.present.stands(identical);
    await this.#beside.begun(this.settle(identical));
  }

  /** No one was told about these yet, and no one will be. */
  failRest({ code, message }: FilerError): void {
    for (const { name, size } of this.#identical.splice(0))
      this.#owner.result({ name, size, status: 'failed', code, message, failedBy: 'transfer' });
  }

  #pathOf({ components, there }: Identical): string {
    return this.#options.place.pathOf(components.slice(0, -1), there.name);
  }
}
