import { processShares } from './process-shares.ts';

/** What reads a connection. */
export interface PieceReader {
  /** Who is charged; undefined for no one, whose pieces wait for no turn. */
  readonly holder: () => string | undefined;
  readonly decode: (piece: Buffer) => void;
  /** Nothing more is to be read for now. */
  readonly pause: () => void;
  /** All pieces are decoded: more may be read. */
  readonly readOn: () => void;
}

/** The pieces of a connection, each decoded in the turn of the machine that sent it. */
export class PiecesInTurn {
  readonly #reader: PieceReader;
  readonly #waiting: Buffer[] = [];

  constructor(reader: PieceReader) {
    this.#reader = reader;
  }

  /** Whether some wait for their turn. */
  get areWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  take(piece: Buffer): void {
    const { holder: holderOf, decode, pause } = this.#reader;
    const holder = holderOf();
    if (holder === undefined) return decode(piece);
    const isNext = this.#waiting.length === 0;
    if (isNext && processShares.turns.tryNow(readingOf(holder), () => decode(piece))) return;
    this.#waiting.push(piece);
    pause();
    if (isNext) this.#awaitTurn(holder);
  }

  /** No turn is waited for any more: gives out what waits. */
  takeAll(): Buffer[] {
    return this.#waiting.splice(0);
  }

  #awaitTurn(holder: string): void {
    void processShares.turns.run(readingOf(holder), () => this.#decodeNext());
  }

  #decodeNext(): void {
    const { holder: holderOf, decode, readOn } = this.#reader;
    const piece = this.#waiting.shift();
    if (piece === undefined) return;
    decode(piece);
    const holder = holderOf();
    if (this.#waiting.length === 0) readOn();
    else if (holder !== undefined) this.#awaitTurn(holder);
  }
}

/** Reading has turns of its own: work for a machine may wait for an answer that is still to be read. */
function readingOf(holder: string): string {
  return `reading ${holder}`;
}
