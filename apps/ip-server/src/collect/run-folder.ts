import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Membership } from '@filer/protocol';
import type { Collect, Delivery } from '../store/collect-rows.ts';
import type { CollectStore } from '../store/collect-store.ts';

/** Who is expected to deliver, and into which folder below that of the collect. */
export type Expected = Pick<Delivery, 'peer' | 'name' | 'folder'>;

/** As much of an id as tells machines of one name apart for people. */
const ID_LENGTH = 8;

/**
 * The folder of a machine below that of a collect: its name, unless that folder holds the files of another machine,
 * which had the name before.
 */
export function machineFolder(
  store: CollectStore,
  { folder: root }: Collect,
  { id, name }: Membership,
): string {
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

/** Whether a run of this collect was called so, or something that is there already is. */
export function isLabelTaken(
  store: CollectStore,
  { name, folder: root }: Collect,
  expected: readonly Expected[],
): (label: string) => boolean {
  return (label) =>
    store.run(name, label) !== undefined ||
    expected.some(({ folder }) => existsSync(join(root, folder, label)));
}
