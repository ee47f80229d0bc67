import type { Duplex } from 'node:stream';
import type { Home } from '@filer/program';
import type { Identity, Link } from '@filer/protocol';

/** What decides which addresses of a peer make sense from here. */
export interface Surroundings {
  /** Loopback addresses are dialled only between machines that both reach the server over loopback. */
  readonly overLoopback: boolean;
}

/** Who dials, and who must answer. */
export interface Ends {
  readonly identity: Identity;
  /** The id that the other side must prove before a byte is written to it. */
  readonly expect: string;
}

/** One way to a peer. */
export interface Path {
  /** What `via` and the logs call it. */
  readonly kind: string;
  /** Whether it is begun only when the others take long, or have failed. @default false */
  readonly isDetour?: boolean;
  /** The addresses of a record that this path can dial, as they stand there, best first. They are another machine's words. */
  readonly candidates: (addresses: readonly string[], surroundings: Surroundings) => readonly string[];
  /**
   * Opens a connection whose other side has proved its id, in bounded time.
   *
   * @param address one of the candidates
   * @throws FilerError why not, or the reason of `signal`
   */
  readonly dial: (address: string, ends: Ends, signal: AbortSignal) => Promise<Link>;
  /**
   * Accepts connections over this path while the daemon runs. A path that is reached through the port for peers has none.
   *
   * @param accept takes a raw connection in, and who is counted for it: an IP address, or a word for where it comes from
   * @throws FilerError why not; the daemon then runs without this path
   */
  readonly listen?: (home: Home, accept: (stream: Duplex, remote: string) => void) => Promise<PathListener>;
}

/** A path over which this machine is reached. */
export interface PathListener {
  /** What others dial, published in this machine's record. */
  readonly addresses: readonly string[];
  close(): Promise<void>;
}
