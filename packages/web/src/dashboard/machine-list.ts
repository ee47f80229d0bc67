import type { contract } from '@filer/ip-server/contract';
import type { TypesOf } from '@filer/program';

/* What the list of machines shows of what the server told. Pure. */

/** What a machine counts as. */
export type Standing = TypesOf<(typeof contract)['machines']>['item']['standing'];

/** The names of the first line, in its order. They add up to the members. */
export const STANDINGS = [
  'online',
  'late',
  'missing',
  'offline',
  'left',
] as const satisfies readonly Standing[];

/** What needs attention first comes first. */
const RANKS: Readonly<Record<Standing, number>> = { missing: 0, late: 1, offline: 2, online: 3, left: 4 };

interface Listed {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly standing: Standing;
  readonly online: boolean;
  readonly address: string | null;
  readonly version: string | null;
  readonly server: string | null;
}

export function countsOf(machines: readonly Pick<Listed, 'standing'>[]): Readonly<Record<Standing, number>> {
  const counts = { online: 0, late: 0, missing: 0, offline: 0, left: 0 };
  for (const { standing } of machines) counts[standing]++;
  return counts;
}

export function inOrder<M extends Listed>(machines: readonly M[]): M[] {
  return machines.toSorted((a, b) => RANKS[a.standing] - RANKS[b.standing] || (a.name < b.name ? -1 : 1));
}

/** How many machines of a list would have to move for it to be in order; the others keep their place among each other. */
export function movedIn(machines: readonly Listed[]): number {
  const wanted = new Map(inOrder(machines).map(({ id }, index) => [id, index]));
  // The last place of the best rising row of each length: what rises already stays.
  const lasts: number[] = [];
  for (const { id } of machines) {
    const place = wanted.get(id) ?? 0;
    let [from, to] = [0, lasts.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((lasts[middle] ?? 0) < place) from = middle + 1;
      else to = middle;
    }
    lasts[from] = place;
  }
  return machines.length - lasts.length;
}

export interface Filter {
  /** A standing; empty for all but those that left. */
  readonly standing: string;
  readonly group: string;
  /** Words that all are in the name, a group, the address, the version, or the id of its server. */
  readonly text: string;
}

export function filtered<M extends Listed>(machines: readonly M[], { standing, group, text }: Filter): M[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return machines.filter((machine) => {
    if (
      standing === 'all'
        ? false
        : standing === ''
          ? machine.standing === 'left'
          : machine.standing !== standing
    )
      return false;
    if (group !== '' && !machine.groups.includes(group)) return false;
    const { name, groups, address, version, server, id } = machine;
    const about = [name, ...groups, address ?? '', version ?? '', server ?? '', id].join(' ').toLowerCase();
    return words.every((word) => about.includes(word));
  });
}

export interface Group {
  readonly name: string;
  readonly online: number;
  readonly members: number;
  /** The worst of its machines. */
  readonly standing: Standing;
}

/** Groups with how many of their members are online, those in trouble first. */
export function groupsOf(machines: readonly Listed[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { groups: names, standing, online } of machines) {
    if (standing === 'left') continue;
    for (const name of names) {
      const { online: before, members, standing: worst } = groups.get(name) ?? EMPTY;
      const isWorse = RANKS[standing] < RANKS[worst];
      groups.set(name, {
        name,
        online: before + (online ? 1 : 0),
        members: members + 1,
        standing: isWorse ? standing : worst,
      });
    }
  }
  return [...groups.values()].toSorted(
    (a, b) => RANKS[a.standing] - RANKS[b.standing] || (a.name < b.name ? -1 : 1),
  );
}

const EMPTY = { online: 0, members: 0, standing: 'left' } as const;
