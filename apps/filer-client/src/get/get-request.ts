import type { OnConflict } from '@filer/protocol';
import type { GetEvent } from '../api/contract/get.ts';
import type { PassingOn } from '../jobs/passing-on.ts';
import type { Outreach } from '../network/outreach.ts';
import type { Ways } from '../network/paths.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Destination } from './destination.ts';

export interface GetRequest {
  readonly id: string;
  readonly peer: KnownPeer;
  /** `SHARE/path/below` at the peer. */
  readonly path: string;
  readonly destination: Destination;
  /** How long a peer that was lost half-way is tried again. */
  readonly timeoutMs: number;
  readonly onConflict: OnConflict;
  readonly checksum: boolean;
  /** Content bytes a second, kept to by the peer; undefined for as fast as can be. */
  readonly limit: number | undefined;
  /** Patterns of what in a folder stays there, as in a `.gitignore`. */
  readonly exclude: readonly string[];
  readonly dryRun: boolean;
  /** The paths that may be used. */
  readonly ways: Ways;
}

export interface GetSurroundings extends Outreach {
  /** Passes on what comes to others who fetch the same, and takes some of them. @default all comes of the peer */
  readonly passing?: PassingOn | undefined;
  /** Gets what continues; a slow listener holds nothing up. */
  readonly emit: (event: GetEvent) => void;
  /** @see ReceiverOptions.caughtUp */
  readonly caughtUp?: () => Promise<void> | undefined;
  readonly signal: AbortSignal;
}
