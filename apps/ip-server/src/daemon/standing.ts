import type { PeerView } from './overview.ts';

/** Each machine that was not removed has one of them, so they add up to the members. What needs attention first comes first. */
export const STANDINGS = ['missing', 'late', 'offline', 'online', 'left'] as const;
export type Standing = (typeof STANDINGS)[number];

/** `missing` or `late`: a report is, whether the machine is connected or not. */
export function standingOf({
  state,
  online,
  reports,
}: Pick<PeerView, 'state' | 'online' | 'reports'>): Standing {
  if (state === 'left' || state === 'removed') return 'left';
  if (reports === 'missing' || reports === 'late') return reports;
  return online ? 'online' : 'offline';
}
