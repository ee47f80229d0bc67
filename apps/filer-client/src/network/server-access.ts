import type { ServerSession } from './server-dial.ts';

/** The way to the ip-server, whoever keeps it: a daemon its lasting session, a command one of its own. */
export interface ServerAccess {
  /**
   * A live session, opened when there is none and this can be done.
   *
   * @throws FilerError `server-unreachable`, or the server's refusal
   */
  session(signal?: AbortSignal): Promise<ServerSession>;
  /** The live session, if there is one now. */
  readonly current: ServerSession | undefined;
  /** Whether the server is, or was last, reached over loopback. */
  readonly overLoopback: boolean;
  /** Asks the server for the newest directory; never throws for a server that is away. */
  refresh(signal?: AbortSignal): Promise<void>;
  /** Reports wait in the spool: send them as soon as it can be done. */
  kickSpool(): void;
}
