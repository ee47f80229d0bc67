import type { Attachment } from '@filer/protocol';
import type { AttachmentStore, Measure, Upload, UploadKey } from '../attachment-store.ts';

interface Kept {
  readonly upload: Upload;
  readonly at: number;
  readonly files: Map<string, Attachment>;
}

/** Which files came for which report, in memory. */
export class MemoryAttachmentStore implements AttachmentStore {
  readonly #isStored: (key: UploadKey) => boolean;
  readonly #kept = new Map<string, Kept>();
  #number = 0;

  /** @param isStored whether a report of that key is stored, or was */
  constructor(isStored: (key: UploadKey) => boolean) {
    this.#isStored = isStored;
  }

  /** A report was dropped: its files are to be removed. */
  reportGone(key: UploadKey): void {
    this.#change(key, { state: 'gone' });
  }

  async amount(measure: Measure): Promise<number> {
    return this.#sum(measure, () => true);
  }

  async hasReport(key: UploadKey): Promise<boolean> {
    return this.#isStored(key);
  }

  async find(key: UploadKey): Promise<Upload | undefined> {
    return this.#kept.get(nameOf(key))?.upload;
  }

  async files(upload: Upload): Promise<Map<string, Attachment>> {
    return new Map(this.#kept.get(nameOf(upload))?.files);
  }

  async begin(key: UploadKey, now: number): Promise<Upload | undefined> {
    if (this.#isStored(key)) return undefined;
    const { peer, spool, seq } = key;
    const before = this.#kept.get(nameOf(key))?.upload;
    const { number, bytes, files } = before ?? { number: ++this.#number, bytes: 0, files: 1 };
    const upload: Upload = { number, peer, spool, seq, bytes, files, state: 'open' };
    this.#kept.set(nameOf(key), { upload, at: now, files: new Map() });
    return upload;
  }

  async note(upload: Upload, file: Attachment, now: number): Promise<void> {
    const kept = this.#kept.get(nameOf(upload));
    if (kept === undefined) return;
    kept.files.set(file.name, file);
    const bytes = [...kept.files.values()].reduce((sum, { size }) => sum + size, 0);
    const { upload: before } = kept;
    this.#change(
      upload,
      { bytes: Math.max(before.bytes, bytes), files: Math.max(before.files, kept.files.size + 1) },
      now,
    );
  }

  async weigh(upload: Upload, { bytes, files }: Pick<Upload, Measure>): Promise<void> {
    this.#change(upload, { bytes, files: files + 1 });
  }

  async reported(upload: Upload): Promise<void> {
    this.#change(upload, { state: 'reported' });
  }

  async giveUp(upload: Upload): Promise<void> {
    this.#change(upload, { state: 'gone' });
  }

  async forget(upload: Upload): Promise<void> {
    this.#kept.delete(nameOf(upload));
  }

  async gone(limit: number): Promise<Upload[]> {
    return this.#oldest(({ upload }) => upload.state === 'gone').slice(0, limit);
  }

  async openSince(before: number, limit: number): Promise<Upload[]> {
    return this.#oldest(({ upload, at }) => upload.state === 'open' && at < before).slice(0, limit);
  }

  async openOf(peer: string): Promise<Upload[]> {
    return this.#oldest(({ upload }) => upload.state === 'open' && upload.peer === peer);
  }

  async heaviest(measure: Measure): Promise<{ readonly peer: string; readonly amount: number } | undefined> {
    const peers = new Set([...this.#kept.values()].map(({ upload }) => upload.peer));
    return [...peers]
      .map((peer) => ({ peer, amount: this.#sum(measure, (upload) => upload.peer === peer) }))
      .toSorted((a, b) => b.amount - a.amount)[0];
  }

  async amountOf(measure: Measure, peer: string): Promise<number> {
    return this.#sum(measure, (upload) => upload.peer === peer);
  }

  async oldestOf(peer: string, limit: number): Promise<Upload[]> {
    const takesRoom = ({ bytes, files }: Upload): boolean => bytes + files > 1;
    return this.#oldest(
      ({ upload }) => upload.peer === peer && takesRoom(upload) && upload.state !== 'gone',
    ).slice(0, limit);
  }

  #oldest(isWanted: (kept: Kept) => boolean): Upload[] {
    const found = [...this.#kept.values()].filter(isWanted).toSorted((a, b) => a.at - b.at);
    return found.map(({ upload }) => upload);
  }

  #sum(measure: Measure, isWanted: (upload: Upload) => boolean): number {
    const all = [...this.#kept.values()].map(({ upload }) => upload);
    return all.filter(isWanted).reduce((sum, upload) => sum + upload[measure], 0);
  }

  #change(key: UploadKey, change: Partial<Upload>, at?: number): void {
    const kept = this.#kept.get(nameOf(key));
    if (kept === undefined) return;
    this.#kept.set(nameOf(key), { ...kept, at: at ?? kept.at, upload: { ...kept.upload, ...change } });
  }
}

const nameOf = ({ peer, spool, seq }: UploadKey): string => `${peer} ${spool} ${seq}`;
