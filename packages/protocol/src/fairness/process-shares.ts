import {
  LIST_BYTES_AT_ONCE,
  LIST_BYTES_PER_SECOND,
  KEY_CHANGE_PAUSE_SECONDS,
  MAX_PARTIAL_BYTES,
  MAX_PARTIAL_BYTES_PER_MACHINE,
  MAX_UNREAD_BYTES_IN_ALL,
  MAX_UNREAD_BYTES_PER_MACHINE,
} from '../limits.ts';
import { FairTurns } from './fair-turns.ts';
import { Rates } from './rates.ts';
import { Shares } from './shares.ts';

/** What all connections of this process share: there is one memory and one event loop. */
export const processShares = {
  /** Bytes of received messages that wait for their readers. */
  unread: new Shares({ perHolder: MAX_UNREAD_BYTES_PER_MACHINE, inAll: MAX_UNREAD_BYTES_IN_ALL }),
  /** Bytes that are set aside for messages of which a part has come. */
  partial: new Shares({ perHolder: MAX_PARTIAL_BYTES_PER_MACHINE, inAll: MAX_PARTIAL_BYTES }),
  /** Bytes of lists of removals and leaves that were given. */
  lists: new Rates({ atOnce: LIST_BYTES_AT_ONCE, perSecond: LIST_BYTES_PER_SECOND }),
  /** Connections that were ended because they changed TLS keys thousands of times. */
  overhead: new Rates({ atOnce: 1, perSecond: 1 / KEY_CHANGE_PAUSE_SECONDS }),
  /** Connections that were refused since their machine had too many. */
  refusals: new Rates({ atOnce: 1, perSecond: 1 }),
  /** The event loop. */
  turns: new FairTurns(),
} as const;
