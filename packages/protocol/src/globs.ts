/*
 * What a collect asks for: a pattern over `SHARE/path/below`. Both sides judge by it, so its rules are the protocol's
 * own, the same on every system and version, and no pattern makes a machine think for long.
 *
 *   *         any number of characters of one name, none too
 *   ?         one character of a name
 *   [a-z_]    one of these; [!a-z] one that is none of these
 *   **        as a whole name: any number of names, none too
 *
 * All else stands for itself: case counts, and a name that begins with a dot is like any other.
 */
import { FilerError } from './errors.ts';

/** Longest pattern, in UTF-16 units: longer than what a person types. */
const MAX_GLOB_LENGTH = 1_024;

/** One character of a pattern. */
type Token =
  { readonly kind: 'any' } | { readonly kind: 'one'; readonly fits: (character: string) => boolean };

/** A pattern for one name; `deep` is `**`. */
type Part = { readonly kind: 'deep' } | { readonly kind: 'name'; readonly fits: (name: string) => boolean };

/** A pattern over paths. */
export class Glob {
  readonly text: string;
  readonly #parts: readonly Part[];

  private constructor(text: string, parts: readonly Part[]) {
    this.text = text;
    this.#parts = parts;
  }

  /** @throws FilerError `message-malformed` with what is wrong with it */
  static parse(text: string): Glob {
    if (text.length > MAX_GLOB_LENGTH) throw wrong(text, `it is longer than ${MAX_GLOB_LENGTH} characters`);
    if (!text.isWellFormed() || /\p{Cc}/u.test(text)) throw wrong(text, 'it has a control character');
    if (/[{}\\]/.test(text)) throw wrong(text, 'it has no braces and no escapes: give several patterns');
    const names = text.split('/');
    if (names.some((name) => name === '' || name === '.' || name === '..'))
      throw wrong(text, 'it is SHARE/path/below, without . and ..');
    if (names.length === 1 && text !== '**')
      throw wrong(text, `it says what of a share: ${text}/** for all of it`);
    // One ** says as much as several in a row, and each of those would be looked at for each name.
    const said = names.filter((name, n) => name !== '**' || names[n - 1] !== '**');
    return new Glob(
      text,
      said.map((name) => partOf(text, name)),
    );
  }

  /** Whether it fits a whole path. */
  matches(path: string): boolean {
    return this.#after(path).has(this.#parts.length);
  }

  /** Whether it may fit something inside a folder. */
  reaches(folder: string): boolean {
    return [...this.#after(folder)].some((at) => at < this.#parts.length);
  }

  /** Where in the pattern one can be when so many names have been read. */
  #after(path: string): ReadonlySet<number> {
    let places = this.#from([0]);
    for (const name of path.split('/')) {
      const next: number[] = [];
      for (const at of places) {
        const part = this.#parts[at];
        if (part?.kind === 'deep') next.push(at);
        else if (part?.fits(name) === true) next.push(at + 1);
      }
      places = this.#from(next);
      if (places.size === 0) break;
    }
    return places;
  }

  /** With those that are reached by a `**` that stands for nothing. */
  #from(places: readonly number[]): ReadonlySet<number> {
    const reached = new Set<number>();
    for (const first of places) {
      let at = first;
      for (; this.#parts[at]?.kind === 'deep'; at++) reached.add(at);
      reached.add(at);
    }
    return reached;
  }
}

function partOf(glob: string, text: string): Part {
  if (text === '**') return { kind: 'deep' };
  if (text.includes('**')) throw wrong(glob, '** stands between slashes');
  if (!/[*?[]/.test(text)) return { kind: 'name', fits: (name) => name === text };
  if (text === '*') return { kind: 'name', fits: () => true };
  const tokens = tokensOf(glob, text);
  return { kind: 'name', fits: (name) => fitsName(tokens, name) };
}

function tokensOf(glob: string, text: string): Token[] {
  const tokens: Token[] = [];
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*') tokens.push({ kind: 'any' });
    else if (character === '?') tokens.push({ kind: 'one', fits: () => true });
    else if (character === '[') {
      // A ] that comes first is one of the characters.
      const isNot = characters[at + 1] === '!' || characters[at + 1] === '^';
      const first = at + (isNot ? 2 : 1);
      const end = characters.indexOf(']', first + 1);
      if (end === -1) throw wrong(glob, 'a [ has no ]');
      const fits = setOf(glob, characters.slice(first, end));
      tokens.push({ kind: 'one', fits: isNot ? (given) => !fits(given) : fits });
      at = end;
    } else tokens.push({ kind: 'one', fits: (given) => given === character });
  }
  return tokens;
}

function setOf(glob: string, characters: readonly string[]): (character: string) => boolean {
  const ranges: (readonly [number, number])[] = [];
  for (let at = 0; at < characters.length; at++) {
    const isRange = characters[at + 1] === '-' && at + 2 < characters.length;
    const from = codeOf(characters[at]);
    const to = isRange ? codeOf(characters[at + 2]) : from;
    if (to < from) throw wrong(glob, `the range ${characters.slice(at, at + 3).join('')} is backwards`);
    ranges.push([from, to]);
    if (isRange) at += 2;
  }
  return (given) => ranges.some(([from, to]) => codeOf(given) >= from && codeOf(given) <= to);
}

function codeOf(character: string | undefined): number {
  return character?.codePointAt(0) ?? 0;
}

/** Goes back to the last `*` only: steps at most name × pattern. */
function fitsName(tokens: readonly Token[], name: string): boolean {
  const characters = Array.from(name);
  let [at, token] = [0, 0];
  let back: { at: number; token: number } | undefined;
  while (at < characters.length) {
    const wanted = tokens[token];
    if (wanted?.kind === 'any') {
      token++;
      back = { at, token };
    } else if (wanted?.fits(characters[at] ?? '') === true) {
      at++;
      token++;
    } else if (back !== undefined) {
      back = { at: back.at + 1, token: back.token };
      ({ at, token } = back);
    } else return false;
  }
  return tokens.slice(token).every(({ kind }) => kind === 'any');
}

function wrong(glob: string, why: string): FilerError {
  return new FilerError('message-malformed', `${JSON.stringify(glob)} is no pattern of a collect: ${why}`);
}
