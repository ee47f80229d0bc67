import type { OutputStream } from '../output.ts';
import { widthOf } from './text-width.ts';

const ESC = '\u001B[';
/** All of a frame is shown at once by terminals that can. */
const BEGIN = `${ESC}?2026h`;
const END = `${ESC}?2026l`;
/** All of a line: with it a terminal forgets that it has folded one into the next. */
const CLEAR_LINE = `${ESC}2K`;
const CLEAR_BELOW = `${ESC}J`;
export const FOLD = `${ESC}?7h`;
export const DO_NOT_FOLD = `${ESC}?7l`;

/** A line of a frame; its styles add no width. */
export interface FrameLine {
  readonly text: string;
  /** Columns that it takes. */
  readonly width: number;
}

export function plainLine(text: string): FrameLine {
  return { text, width: widthOf(text) };
}

/**
 * Some lines at the bottom of a terminal that are drawn again and again in the same place. cli-progress counts lines and cuts
 * them by characters, which leaves remains of wide ones and of those that a terminal folds when it gets narrower.
 */
export class FrameWriter {
  readonly #stream: OutputStream;
  readonly #folds: boolean;
  #drawn: readonly FrameLine[] = [];

  /** @param folds whether the terminal folds lines that it has shown when it gets narrower, as most do */
  constructor(stream: OutputStream, folds: boolean) {
    this.#stream = stream;
    this.#folds = folds;
  }

  /** Draws lines in the place of the last ones. @param above words that stay, above the frame; empty for none */
  draw(lines: readonly FrameLine[], above: string): void {
    const text = lines.map((line) => `${CLEAR_LINE}${line.text}\n`).join('');
    // Words may be longer than a line: they are folded, and nothing is cleared behind their last letter.
    const said = above === '' ? '' : `${CLEAR_BELOW}${FOLD}${above}\n${DO_NOT_FOLD}`;
    this.#stream.write(`${BEGIN}${this.#toTop()}${said}${text}${CLEAR_BELOW}${END}`);
    this.#drawn = lines;
  }

  /** Leaves the last frame as it is: what follows stands below it. */
  end(): void {
    this.#drawn = [];
  }

  /**
   * From below the frame to its beginning, however the terminal has folded it since. The cursor waits on an empty line: of one
   * that it stands on some terminals fold the text and others do not.
   */
  #toTop(): string {
    const { columns = 0, rows = 0 } = this.#stream;
    const folded = (width: number): number =>
      this.#folds && columns > 0 ? Math.max(1, Math.ceil(width / columns)) : 1;
    const height = this.#drawn.reduce((sum, { width }) => sum + folded(width), 0);
    const up = rows > 0 ? Math.min(height, rows - 1) : height;
    return up > 0 ? `\r${ESC}${up}A` : '\r';
  }
}
