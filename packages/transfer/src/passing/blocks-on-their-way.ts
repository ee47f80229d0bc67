import type { Got } from '@filer/protocol';

/** A block on its way to a recipient. */
export interface BlockOnItsWay {
  readonly entry: number;
  /** Where it ends in its file. */
  readonly end: number;
  readonly bytes: number;
  readonly digest: string;
  /** Who was named for it; undefined where the sender sent it. */
  readonly from: string | undefined;
  /** @throws FilerError when the source is another one by now */
  read(): Buffer;
}

type Awaited = { -readonly [K in keyof BlockOnItsWay]: BlockOnItsWay[K] } & { isOwed: boolean };

/** What a recipient was sent, or was told who has it, and has not taken yet, in its order. */
export class BlocksOnTheirWay {
  #blocks: Awaited[] = [];

  add(block: BlockOnItsWay): void {
    this.#blocks.push({ ...block, isOwed: false });
  }

  /** The recipient has taken its streams up to there. @returns what it took by that */
  taken({ entry, offset }: Got): readonly BlockOnItsWay[] {
    const open = this.#blocks.findIndex((each) => each.entry === entry && each.end > offset);
    const last = this.#blocks.findLastIndex((each) => each.entry === entry);
    return this.#blocks.splice(0, open < 0 ? last + 1 : open);
  }

  /** An entry begins once more, or is given up. */
  abandoned(entry: number): void {
    this.#blocks = this.#blocks.filter((each) => each.entry !== entry);
  }

  /** What is awaited of one, or of anyone but the sender. */
  of(from?: string): readonly BlockOnItsWay[] {
    return this.#blocks.filter((each) => each.from !== undefined && (from ?? each.from) === each.from);
  }

  /** What is awaited of one comes of another one, or is the sender's to send. */
  repoint(from: string, to: string | undefined): void {
    for (const block of this.#blocks) {
      if (block.from !== from) continue;
      block.from = to;
      block.isOwed = to === undefined;
    }
  }

  /** The next one that the sender owes; it is owed no longer. */
  nextOwed(): BlockOnItsWay | undefined {
    const block = this.#blocks.find(({ isOwed }) => isOwed);
    if (block !== undefined) block.isOwed = false;
    return block;
  }

  clear(): void {
    this.#blocks = [];
  }
}
