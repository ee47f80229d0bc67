import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Membership } from '@filer/protocol';
import type { Directory } from '../network/directory.ts';
import type { Collect, Expected, Machine } from '../store/collect-store.ts';

/** Whom a run that begins now expects. */
export function expectedNow(directory: Directory, { sources }: Collect): Machine[] {
  return directory
    .all()
    .filter(({ status, membership }) => status === 'member' && isAmong(sources, membership))
    .map(({ membership: { id, name } }) => ({ peer: id, name }));
}

/** Whether a machine is among those that are named. */
function isAmong(sources: readonly string[], { id, groups }: Membership): boolean {
  return sources.some(
    (source) => source === '@all' || source === id || groups.some((group) => source === `@${group}`),
  );
}

/**
 * What a run may be called: its day, by this machine's calendar; with the time where another run was called so.
 *
 * @param startedAt ms since the epoch
 */
export function* runLabels(startedAt: number): Generator<string, never, void> {
  const at = new Date(startedAt);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const minute = `${day}T${two(at.getHours())}-${two(at.getMinutes())}`;
  const second = `${minute}-${two(at.getSeconds())}`;
  yield* [day, minute, second];
  for (let n = 2; ; n++) yield `${second}-${n}`;
}

/** Whether there is something already where a run would have its files. */
export function hasFolder(root: string, expected: readonly Expected[], label: string): boolean {
  return expected.some(({ folder }) => existsSync(join(root, folder, label)));
}
