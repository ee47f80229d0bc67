import { FilerError, removalsGetMessage, routed, Router, type ErrorCode } from '@filer/protocol';
import { alignDirectory, pullDirectory } from './directory-sync.ts';
import { helloOf } from './hello.ts';
import type { Member } from './member.ts';
import { answerRemovals } from './removal-sync.ts';
import type { ServerAccess, ServerProblem } from './server-access.ts';
import { dialServer, type ServerSession } from './server-dial.ts';

/** All that was asked has its answer: the end is a courtesy. */
const CLOSE_MS = 500;

/** A command's own way to the server, where no daemon runs: dialled on first use, never presence. */
export class CommandAccess implements ServerAccess {
  readonly #member: Member;
  readonly #software: string;
  readonly #onRefused: (error: FilerError) => void;
  #dialled: Promise<ServerSession> | undefined;
  #current: ServerSession | undefined;
  #problem: ServerProblem | undefined;

  constructor(member: Member, software: string, onRefused: (error: FilerError) => void) {
    this.#member = member;
    this.#software = software;
    this.#onRefused = onRefused;
  }

  get current(): ServerSession | undefined {
    return this.#current;
  }

  get problem(): ServerProblem | undefined {
    return this.#problem;
  }

  get overLoopback(): boolean {
    return this.#current?.overLoopback ?? this.#member.settings.get('server.overLoopback') === '1';
  }

  session(signal?: AbortSignal): Promise<ServerSession> {
    this.#dialled ??= this.#noting(this.#dial(signal));
    return this.#dialled;
  }

  /** Notes why there is no session. */
  async #noting(dialled: Promise<ServerSession>): Promise<ServerSession> {
    try {
      const server = await dialled;
      this.#problem = undefined;
      return server;
    } catch (error) {
      if (error instanceof FilerError) this.#problem = { error, since: this.#problem?.since ?? Date.now() };
      throw error;
    }
  }

  async upToDate(signal?: AbortSignal): Promise<void> {
    try {
      await this.session(signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof FilerError) || STOPS.has(error.code)) throw error;
    }
  }

  async refresh(signal?: AbortSignal): Promise<void> {
    try {
      const server = await this.session(signal);
      await this.#pull(server, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof FilerError)) throw error;
      this.#dialled = undefined; // the next call tries again
      this.#current = undefined;
    }
  }

  /** The next use dials again if the last one failed. */
  forgetFailure(): void {
    if (this.#current === undefined) this.#dialled = undefined;
  }

  kickSpool(): void {
    // A command that puts a report in the spool without a daemon drains it itself.
  }

  async close(): Promise<void> {
    await this.#current?.session.messenger.close(CLOSE_MS);
  }

  async #dial(signal: AbortSignal | undefined): Promise<ServerSession> {
    const member = this.#member;
    const router = new Router({ on: 'session', as: 'client' }).on(removalsGetMessage, (asked) =>
      answerRemovals(member, asked),
    );
    const server = await dialServer(member, helloOf(member, this.#software), routed(router, {}), signal);
    const { welcome } = server;
    member.settings.set('server.overLoopback', server.overLoopback ? '1' : '0');
    alignDirectory(member, welcome);
    await this.#pull(server, signal);
    this.#current = server;
    return server;
  }

  async #pull(
    { session, welcome: { epoch, seq } }: ServerSession,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (epoch === undefined || seq === undefined) return;
    await pullDirectory(this.#member, session, { epoch, seq }, this.#onRefused, undefined, signal);
  }
}

/**
 * The directory on disk and the proof of the peer suffice while the server is away. Not so for a machine that was removed,
 * nor where another server answers in the place of ours: a person must know of that first.
 */
const STOPS: ReadonlySet<ErrorCode> = new Set(['removed', 'identity-mismatch']);
