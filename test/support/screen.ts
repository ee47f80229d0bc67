/** A terminal's screen, as far as our programs use one: what a person sees after all that was written to it. */
export class ScreenModel {
  readonly #columns: number;
  readonly #rows: number;
  #main: string[];
  #other: string[] | undefined;
  #row = 0;
  #column = 0;
  #rest = '';
  cursorIsShown = true;
  wraps = true;

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#rows = rows;
    this.#main = empty(rows);
  }

  /** Whether the screen of its own is shown that a program asked for. */
  get isOther(): boolean {
    return this.#other !== undefined;
  }

  /** What is shown, without the empty lines at the end. */
  get lines(): string[] {
    const lines = this.#lines.map((line) => line.trimEnd());
    while (lines.at(-1) === '') lines.pop();
    return lines;
  }

  get #lines(): string[] {
    return this.#other ?? this.#main;
  }

  write(text: string): void {
    const pieces = (this.#rest + text).split(/(\u001B\[[?0-9;]*[A-Za-z]|\r|\n)/);
    this.#rest = /\u001B(\[[?0-9;]*)?$/.exec(pieces.at(-1) ?? '')?.[0] ?? '';
    for (const piece of pieces.with(-1, (pieces.at(-1) ?? '').slice(0, -this.#rest.length || undefined)))
      this.#take(piece);
  }

  #take(piece: string): void {
    if (piece === '\r') this.#column = 0;
    else if (piece === '\n') this.#newLine();
    else if (piece.startsWith('\u001B[')) this.#obey(piece.slice(2));
    else for (const character of piece) this.#put(character);
  }

  #newLine(): void {
    this.#column = 0; // as a terminal does that turns line breaks into both
    if (this.#row < this.#rows - 1) this.#row++;
    else this.#lines.push(...this.#lines.splice(0, 1).map(() => ''));
  }

  #put(character: string): void {
    if (this.#column >= this.#columns) {
      if (this.wraps) this.#newLine();
      else this.#column = this.#columns - 1;
    }
    const line = (this.#lines[this.#row] ?? '').padEnd(this.#column);
    this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
    this.#column++;
  }

  #obey(sequence: string): void {
    const lines = this.#lines;
    // After the last column the cursor stands on it until the next character.
    const column = Math.min(this.#column, this.#columns - 1);
    if (sequence === 'H') this.#row = this.#column = 0;
    else if (sequence === 'K') lines[this.#row] = (lines[this.#row] ?? '').slice(0, column);
    else if (sequence === 'J') {
      lines[this.#row] = (lines[this.#row] ?? '').slice(0, column);
      lines.fill('', this.#row + 1);
    } else if (sequence === '?1049h') {
      this.#other = empty(this.#rows);
      this.#row = this.#column = 0;
    } else if (sequence === '?1049l') {
      this.#other = undefined;
      this.#row = this.lines.length;
      this.#column = 0;
    } else if (sequence.startsWith('?25')) this.cursorIsShown = sequence.endsWith('h');
    else if (sequence.startsWith('?7')) this.wraps = sequence.endsWith('h');
    else if (!sequence.endsWith('m') && !sequence.startsWith('?2026'))
      throw new Error(`the model does not know ${JSON.stringify(sequence)}`);
  }
}

function empty(rows: number): string[] {
  return Array.from({ length: rows }, () => '');
}
