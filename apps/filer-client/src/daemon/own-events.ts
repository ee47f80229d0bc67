import type { EventRing, Logger } from '@filer/program';
import type { ClientEventData } from '../api/contract/events.ts';

type Ring = Pick<EventRing<ClientEventData>, 'listen'>;

/** Tells of each peer that came online or connected to this machine. @returns what ends that */
export function followPeers(
  events: Ring,
  followers: readonly { readonly peerSeen: (id: string) => void }[],
): () => void {
  return events.listen(({ type, data }) => {
    const isHere =
      (type === 'presence' && data.state === 'online') ||
      (type === 'connection' && data.direction === 'in' && data.open);
    if (isHere) for (const follower of followers) follower.peerSeen(data.id);
  });
}

/** Logs that this machine has another name or other groups. @returns what ends that */
export function logMembership(events: Ring, log: Logger): () => void {
  return events.listen(({ type, data }) => {
    if (type !== 'member') return;
    const { name, groups, was } = data;
    log.info('this machine has a newer membership', { name, groups, was });
  });
}
