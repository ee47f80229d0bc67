import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Membership } from '@filer/protocol';
import type { Directory } from '../network/directory.ts';
import type { Collect, Delivery } from '../store/collect-rows.ts';
import type { CollectStore } from '../store/collect-store.ts';

/** Who is expected to deliver, and into which folder below that of the collect. */
export type Expected = Pick<Delivery, 'peer' | 'name' | 'folder'>;

/** Whom a run that begins now expects. */
export function expectedNow(store: CollectStore, directory: Directory, collect: Collect): Expected[] {
  const members = directory
    .all()
    .filter(({ status, membership }) => status === 'member' && isAmong(collect.sources, membership));
  return store.together(() =>
    members.map(({ membership }) => ({
      peer: membership.id,
      name: membership.name,
      folder: machineFolder(store, collect, membership),
    })),
  );
}

/** Whether a machine is among those that are named. */
function isAmong(sources: readonly string[], { id, groups }: Membership): boolean {
  return sources.some(
    (source) => source === '@all' || source === id || groups.some((group) => source === `@${group}`),
  );
}

/** As much of an id as tells machines of one name apart for people. */
const ID_LENGTH = 8;

/**
 * The folder of a machine below that of a collect: its name, unless that folder holds the files of another machine,
 * which had the name before.
 */
function machineFolder(store: CollectStore, { folder: root }: Collect, { id, name }: Membership): string {
  const short = `${name}.${id.slice(0, ID_LENGTH).toLowerCase()}`;
  for (const folder of [name, short]) {
    const owner = store.ownerOf(root, folder);
    if (owner === undefined) store.own(root, folder, id);
    if (owner === undefined || owner === id) return folder;
  }
  return `${name}.${id.toLowerCase()}`;
}

/**
 * What a run is called: its day, by this machine's calendar; with the time where another run was called so.
 *
 * @param startedAt ms since the epoch
 */
export function runLabel(startedAt: number, isTaken: (label: string) => boolean): string {
  const at = new Date(startedAt);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const minute = `${day}T${two(at.getHours())}-${two(at.getMinutes())}`;
  const second = `${minute}-${two(at.getSeconds())}`;
  for (const label of [day, minute, second]) if (!isTaken(label)) return label;
  for (let n = 2; ; n++) if (!isTaken(`${second}-${n}`)) return `${second}-${n}`;
}

/** What a run that begins now is called: as no other of this collect, nor anything that is there already. */
export function freeLabel(
  store: CollectStore,
  { name, folder: root }: Collect,
  expected: readonly Expected[],
  startedAt: number,
): string {
  return runLabel(
    startedAt,
    (label) =>
      store.run(name, label) !== undefined ||
      expected.some(({ folder }) => existsSync(join(root, folder, label))),
  );
}
