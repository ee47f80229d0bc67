import { iso } from '@filer/program';
import type { FilerError } from '@filer/protocol';
import type { ServerProblemDocument } from '../api/contract/peers.ts';
import type { ServerSession } from './server-dial.ts';

/** Why there is no session with the ip-server. */
export interface ServerProblem {
  readonly error: FilerError;
  /** When the last session ended, or the first attempt failed, in ms since the epoch. */
  readonly since: number;
}

/** @returns null while there is a session, or before the first attempt has ended */
export function problemDocument({ problem }: Pick<ServerAccess, 'problem'>): ServerProblemDocument | null {
  if (problem === undefined) return null;
  const { error, since } = problem;
  return { code: error.code, message: error.message, since: iso(since) };
}

/** The way to the ip-server, whatever keeps it: a daemon its lasting session, a command one of its own. */
export interface ServerAccess {
  /**
   * A live session, opened when there is none and this can be done.
   *
   * @throws FilerError `server-unreachable`, or the server's refusal
   */
  session(signal?: AbortSignal): Promise<ServerSession>;
  /** The live session, if there is one now. */
  readonly current: ServerSession | undefined;
  /** Why there is no session; undefined while there is one, and before one was tried. */
  readonly problem: ServerProblem | undefined;
  /** Whether the server is, or was last, reached over loopback. */
  readonly overLoopback: boolean;
  /**
   * Before the directory is used: brings it up to date where nothing else does that. What is on disk serves while the
   * server is away, see `problem`.
   *
   * @throws FilerError where it must not serve: this machine was removed, another server answers in the place of ours
   */
  upToDate(signal?: AbortSignal): Promise<void>;
  /** Asks the server for the newest directory; never throws for a server that is away. */
  refresh(signal?: AbortSignal): Promise<void>;
  /** Reports wait in the spool: send them as soon as it can be done. */
  kickSpool(): void;
}
