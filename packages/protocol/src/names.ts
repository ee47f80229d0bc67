import { FilerError } from './errors.ts';

/** Longest name of a peer or group. */
export const MAX_NAME_LENGTH = 32;

/** How many suggestions a person reads. */
const MAX_NEAR = 3;

/** Whether `text` has the form of a name: of a machine, group, schedule or collect. Ids are upper-case, so no name looks like one. */
export function isName(text: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(text);
}

/** Whether `text` is the name of a group. `@all` is everyone, so no group is called that. */
export function isGroupName(text: string): boolean {
  return isName(text) && text !== 'all';
}

/** Names that stand for the ip-server or for everyone, and so for no machine. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['ip-server', 'server', 'all']);

/** Whether `text` is the name of a machine: the names of the ip-server (`ip-server`, `server`) and `all` are not. */
export function isMachineName(text: string): boolean {
  return isName(text) && !RESERVED_NAMES.has(text);
}

/**
 * Refuses the name in a membership that arrives. It may be validly signed, by a version that had no reserved names.
 *
 * @throws FilerError `name-refused`
 */
export function requireMachineName({ name, id }: { readonly name: string; readonly id: string }): void {
  if (isMachineName(name)) return;
  throw new FilerError(
    'name-refused',
    `${name} is the name of a machine (${id}), and ${RESERVED_WORDS} are not names of machines: run "ip-server rename ${name} NAME" on the server`,
  );
}

/** The reserved names, for a sentence. */
export const RESERVED_WORDS = [...RESERVED_NAMES].join(', ').replace(/, (?=[^,]*$)/, ' and ');

/** A legal name for a machine: its host name without the domain, as far as a name can say it. */
export function nameFromHost(hostname: string): string {
  const name = (hostname.split('.')[0] ?? '')
    .normalize('NFKD')
    .replaceAll(/\p{Mark}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, MAX_NAME_LENGTH)
    .replace(/-$/, '');
  if (!isName(name)) return 'machine';
  return isMachineName(name) ? name : `${name}-1`;
}

/**
 * What was probably meant by `wanted`: names at a small edit distance, and names that begin with it, nearest
 * first, at most 3.
 */
export function nearNames(wanted: string, names: Iterable<string>): string[] {
  const typed = wanted.slice(0, 2 * MAX_NAME_LENGTH).toLowerCase();
  const reach = typed.length <= 3 ? 1 : 2;
  const near: { name: string; distance: number }[] = [];
  for (const name of new Set(names)) {
    const begins = typed.length >= 2 && name.startsWith(typed);
    const distance = begins ? 1 : editDistance(typed, name, reach);
    if (distance <= reach) near.push({ name, distance });
  }
  near.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return near.slice(0, MAX_NEAR).map(({ name }) => name);
}

/** Insertions, deletions, changes and swaps of neighbours; `reach + 1` when it is certainly more than `reach`. */
function editDistance(a: string, b: string, reach: number): number {
  if (Math.abs(a.length - b.length) > reach) return reach + 1;
  let older: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(
        at(above, column) + 1,
        at(line, column - 1) + 1,
        at(above, column - 1) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) best = Math.min(best, at(older, column - 2) + 1);
      line.push(best);
    }
    older = above;
    above = line;
  }
  return at(above, b.length);
}

function at(line: readonly number[], column: number): number {
  return line[column] ?? Number.POSITIVE_INFINITY;
}
