import type { Standing } from '../api/contract/machines.ts';
import type { PeerView } from './overview.ts';

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
