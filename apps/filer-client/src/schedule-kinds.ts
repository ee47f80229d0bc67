import { isName, MAX_DUE_MS } from '@filer/protocol';
import { choiceKind, customKind, DURATION, SIZE, type Kind } from '@filer/program';

/** How the parts of a schedule are written, on the command line and in `schedules.toml`. */

const MAX_TIMEOUT_MS = 24 * 3_600_000;

/** With 16 KiB beside it for all else, a report of 64 KiB holds it. */
const MAX_OUTPUT_BYTES = 48 * 1024;

export const SCHEDULE_NAME: Kind<string> = customKind(
  'a name such as disk-space (a to z, 0 to 9 and dashes, at most 32)',
  (text) => {
    if (!isName(text)) throw new RangeError('no name');
    return text;
  },
);

export const GLOB: Kind<string> = customKind(
  "a pattern of files such as 'logs/*.txt'",
  (text) => {
    if (text === '' || text.includes('\0') || !isClosed(text)) throw new RangeError('no pattern');
    return text;
  },
  { completes: 'file' },
);

export const PAIR: Kind<readonly [string, string]> = customKind(
  'KEY=VALUE such as site=roof',
  (text): readonly [string, string] => {
    const at = text.indexOf('=');
    if (at <= 0) throw new RangeError('no pair');
    return [text.slice(0, at), text.slice(at + 1)];
  },
);

export const EXPECT = choiceKind(['running', 'always']);

export const TIMEOUT: Kind<number> = within(
  DURATION,
  'a duration from 1s to 1d such as 5m',
  1_000,
  MAX_TIMEOUT_MS,
);

export const GRACE: Kind<number> = within(DURATION, 'a duration up to ten years such as 5m', 0, MAX_DUE_MS);

export const MAX_OUTPUT: Kind<number> = within(SIZE, 'a size up to 48KiB such as 16KiB', 0, MAX_OUTPUT_BYTES);

function within(kind: Kind<number>, expects: string, min: number, max: number): Kind<number> {
  return customKind(expects, (text) => {
    const value = kind.parse(text);
    if (value < min || value > max) throw new RangeError('out of bounds');
    return value;
  });
}

/** Whether every bracket that opens in a pattern is closed again. */
function isClosed(pattern: string): boolean {
  const open: string[] = [];
  const closing: Readonly<Record<string, string>> = { '[': ']', '{': '}' };
  for (const [character] of pattern.matchAll(/[[\]{}]/g)) {
    const closer = closing[character];
    if (closer !== undefined) {
      if (open.at(-1) !== ']') open.push(closer); // inside of [] all is itself
    } else if (open.at(-1) === character) open.pop();
  }
  return open.length === 0;
}
