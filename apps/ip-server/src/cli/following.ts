import type { ErrorCode } from '@filer/protocol';
import { followDaemon, type Asked, type Context } from '@filer/program';
import { contract } from '../api/contract.ts';
import type { ServerEventData } from '../api/contract/events.ts';
import { asking } from './asking.ts';

/** How a call ends when its server stops, is killed, or is just starting and holds its database. */
const PASSING: readonly ErrorCode[] = ['terminated', 'connection-closed', 'timed-out'];

export interface Followed {
  /** The events that change it. */
  readonly types: readonly (keyof ServerEventData)[];
  /** Reads it and shows it. */
  readonly refresh: (server: Asked) => Promise<unknown>;
  /** The same while the server is stopped. @default `refresh`, with what its home knows */
  readonly whileStopped?: () => Promise<unknown>;
}

/** Follows the server. @see followDaemon @throws FilerError `needs-daemon` when no server has ever run here; what `refresh` throws */
export async function following(context: Context, followed: Followed): Promise<void> {
  const { whileStopped = () => asking(context, {}, followed.refresh) } = followed;
  await followDaemon(context, { ...followed, events: contract.events, passing: PASSING, whileStopped });
}
