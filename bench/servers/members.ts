import { setTimeout as wait } from 'node:timers/promises';
import { RECONNECT_FIRST_MS, RECONNECT_LONGEST_MS } from '@filer/protocol';
import type { MemberConnection, TestMember } from '../../test/support/test-member.ts';
import type { Server } from './server-process.ts';

/** As machines do that all lost their server at once: so many try at a time. */
const CONNECTING_AT_ONCE = 20;

/** On a busy machine some are too late for their server. */
const TRIES = 30;

interface Told {
  readonly left: Set<number>;
  first: number;
  readonly all: PromiseWithResolvers<{ readonly first: number; readonly last: number }>;
}

/** Members that are connected, spread over all servers. */
export class Members implements AsyncDisposable {
  readonly #connections: MemberConnection[] = [];
  readonly #ending = new AbortController();
  readonly #beating: Promise<void>[] = [];
  readonly #connectMs: number[] = [];
  /** Those that the server has ended: this process was too slow for it, say. */
  readonly #lost = new Map<number, unknown>();
  readonly #servers: number;
  #told: Told | undefined;

  private constructor(servers: number) {
    this.#servers = servers;
  }

  static async connect(
    members: readonly TestMember[],
    servers: readonly Server[],
    beat: string,
  ): Promise<Members> {
    const all = new Members(servers.length);
    const beatMs = Number.parseFloat(beat) * 1_000;
    let next = 0;
    const connectOneAfterTheOther = async (): Promise<void> => {
      for (let index = next++; index < members.length; index = next++) {
        const server = servers[index % servers.length];
        const member = members[index];
        if (server === undefined || member === undefined) return;
        const start = performance.now();
        const connection = await connected(member, server);
        all.#connectMs.push(performance.now() - start);
        all.#connections[index] = connection;
        connection.onPage = () => all.#hasPage(index);
        // From now on: a server ends connections that are silent.
        all.#beating.push(all.#beat(index, connection, Math.random() * beatMs, beatMs));
      }
    };
    await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, connectOneAfterTheOther));
    return all;
  }

  get count(): number {
    return this.#connections.length;
  }

  /** In ms. */
  get ofConnecting(): { readonly median: number; readonly last: number } {
    const sorted = this.#connectMs.toSorted((a, b) => a - b);
    return { median: sorted[Math.floor(sorted.length / 2)] ?? 0, last: sorted.at(-1) ?? 0 };
  }

  /** Resolves once the next page of the directory has come to all members of a server: when to the first, and to the last. */
  tellOf(server: number): Promise<{ readonly first: number; readonly last: number }> {
    const left = new Set(
      this.#connections.keys().filter((index) => index % this.#servers === server && !this.#lost.has(index)),
    );
    this.#told = { left, first: Number.POSITIVE_INFINITY, all: Promise.withResolvers() };
    return this.#told.all.promise;
  }

  #lose(index: number, why: unknown): void {
    this.#lost.set(index, why);
    this.#hasPage(index);
  }

  /** How many connections were lost, and why the first one was. */
  get lost(): { readonly count: number; readonly why: unknown } {
    return { count: this.#lost.size, why: this.#lost.values().next().value };
  }

  #hasPage(index: number): void {
    const told = this.#told;
    if (told?.left.delete(index) !== true) return;
    const now = performance.now();
    told.first = Math.min(told.first, now);
    if (told.left.size === 0) told.all.resolve({ first: told.first, last: now });
  }

  async #beat(index: number, connection: MemberConnection, firstMs: number, everyMs: number): Promise<void> {
    const { signal } = this.#ending;
    for (let pause = firstMs; ; pause = everyMs) {
      await wait(pause, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await connection.heartbeat();
      } catch (error) {
        this.#lose(index, error);
        return;
      }
    }
  }

  /** Some report without a pause. @param until by `performance.now()` @returns how many reports were stored */
  async report(reporters: number, until: number): Promise<number> {
    const spool = Math.random().toString(16).slice(2).padEnd(32, '0').slice(0, 32);
    const one = async (connection: MemberConnection): Promise<number> => {
      let seq = 0;
      while (performance.now() < until)
        await connection.report(++seq, { disk: '40 %', files: '1037' }, spool);
      return seq;
    };
    const counts = await Promise.all(this.#connections.slice(0, reporters).map(one));
    return counts.reduce((sum, each) => sum + each, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#beating);
    await Promise.all(this.#connections.map((each) => each.session.close()));
  }
}

async function connected(member: TestMember, server: Server): Promise<MemberConnection> {
  for (let tries = 1; ; tries++) {
    try {
      return await member.connect({ server, subscribe: true });
    } catch (error) {
      if (tries === TRIES) throw error;
      // As a daemon does: what all try again at once is late again.
      const pauseMs = Math.min(RECONNECT_FIRST_MS * 2 ** (tries - 1), RECONNECT_LONGEST_MS);
      await wait(pauseMs * (0.5 + Math.random()));
    }
  }
}
