import { createHash } from 'node:crypto';
import {
  EXIT_CODES,
  FilerError,
  formatFetch,
  PARALLEL,
  PASS_ON,
  type Entry,
  type Messenger,
} from '@filer/protocol';
import type { Home } from '@filer/program';
import {
  cleanMarkedParts,
  receiveFiles,
  type Cap,
  type Channel,
  type ReceiverPassing,
} from '@filer/transfer';
import ignore from 'ignore';
import { channelToReceive } from '../network/open-parallel.ts';
import { reachPeer } from '../network/reach-peer.ts';
import { DIRECT } from '../network/paths/direct.ts';
import type { GetDone } from '../api/contract/get.ts';
import type { FetchingDocument } from '../api/contract/transfers.ts';
import { lockDestination } from './get-lock.ts';
import type { GetRequest, GetSurroundings } from './get-request.ts';
import { GetTally } from './get-tally.ts';
import { overBestPath } from '../jobs/over-best-path.ts';
import { TimeLimit } from '../jobs/time-limit.ts';
import { whileLost } from '../jobs/while-lost.ts';

/** Fetches a file or a folder from a peer's share, over as many connections as it takes. */
export class GetJob {
  readonly id: string;
  readonly #request: GetRequest;
  readonly #around: GetSurroundings;
  readonly #leavesOut: (entry: Entry) => boolean;
  /** Of parts that go to this destination: held by one get at a time. */
  readonly #mark: string;
  readonly #time: TimeLimit;
  readonly #tally: GetTally;
  readonly #since = new Date().toISOString();
  /** On which path the peer was reached last. */
  #connection: string | undefined;

  constructor(request: GetRequest, around: GetSurroundings) {
    this.id = request.id;
    this.#request = request;
    this.#time = new TimeLimit(request.timeoutMs, request.limit);
    this.#around = around;
    const { exclude, dryRun, destination } = request;
    this.#tally = new GetTally(request, around, this.#time);
    this.#mark = `${createHash('sha256').update(`${around.member.id}${this.#tally.path}`).digest('hex').slice(0, 16)}-`;
    const rules = ignore({ allowRelativePaths: true }).add(exclude.join('\n'));
    this.#leavesOut = (entry) => {
      if (entry.path === destination.name) this.#tally.wasAnnounced = true;
      const below = entry.path.split('/').slice(1).join('/');
      if (below !== '' && rules.ignores(entry.kind === 'dir' ? `${below}/` : below)) return true;
      if (dryRun) this.#tally.wouldGet(entry);
      return dryRun;
    };
  }

  /** As `transfers --json` tells it. */
  get document(): FetchingDocument {
    const { peer, path } = this.#request;
    const { progress, path: dest } = this.#tally;
    return {
      job: this.id,
      from: peer.name,
      fromId: peer.id,
      path,
      dest,
      since: this.#since,
      progress,
    };
  }

  /** @throws the reason of `signal` when it was cancelled; all else stands in the result */
  async run(): Promise<GetDone> {
    const { peer } = this.#request;
    const { member, emit, signal } = this.#around;
    const from = { name: peer.name, id: peer.id };
    const me = { name: member.name, id: member.id };
    emit({ type: 'job', job: this.id, files: 1, bytesTotal: 0, recipients: [me], from });
    const failure = await this.#fetch(member.home);
    signal.throwIfAborted();
    const code = failure?.code ?? null;
    const exitCode = code === null ? 0 : EXIT_CODES[this.#tally.arrived > 0 ? 'partial' : code];
    const ok = exitCode === 0;
    const status = failure?.message ?? this.#tally.inWords;
    const recipient = { ...me, ok, code, status, ...connectionOf(this.#connection) };
    return {
      type: 'done',
      job: this.id,
      ok,
      exitCode,
      ...this.#tally.counts,
      from,
      path: this.#tally.path,
      recipients: [recipient],
    };
  }

  /** @returns why not all came, or undefined */
  async #fetch(home: Home): Promise<FilerError | undefined> {
    const { peer, destination, dryRun } = this.#request;
    const { emit, signal } = this.#around;
    const common = { job: this.id, path: this.#tally.path };
    const lock = dryRun
      ? undefined
      : await lockDestination(home, destination, signal, () => emit({ type: 'waiting', ...common }));
    try {
      this.#time.progressed();
      if (!dryRun) await cleanMarkedParts(destination.folder, this.#mark, this.#around.member.clock.now());
      const error = await whileLost({
        peer: peer.name,
        limit: this.#time,
        signal,
        attempt: () => this.#attempt(),
        progress: () => this.#tally.steps,
        onLost: ({ message: reason }) =>
          emit({ type: 'retry', job: this.id, recipient: this.#around.member.name, reason }),
      });
      return error ?? this.#tally.failure();
    } finally {
      this.#tally.stop();
      await lock?.release();
    }
  }

  /** One connection. @returns why it ended early, or undefined */
  async #attempt(): Promise<FilerError | undefined> {
    const { signal } = this.#around;
    const { peer, ways, limit, dryRun } = this.#request;
    // A rate that was asked for is kept to by the peer alone.
    const passes = limit !== undefined || dryRun || ways !== 'any' ? undefined : this.#around.passing;
    const features = [PARALLEL, ...(passes === undefined ? [] : [PASS_ON])];
    const improving = new AbortController();
    try {
      const reached = await this.#time.reach(peer.name, signal, (stop) =>
        reachPeer(
          this.#around,
          peer,
          { purpose: 'transfer', features },
          { signal: stop, ways, improves: improving.signal },
        ),
      );
      return await overBestPath(reached, async ({ messenger, welcome }) => {
        using passing = welcome.features.includes(PASS_ON) ? passes?.begin() : undefined;
        return await this.#receive(
          messenger,
          channelToReceive(this.#around, peer, messenger, welcome),
          passing,
        );
      });
    } catch (error) {
      if (error instanceof FilerError) return error;
      if (signal.aborted) return undefined;
      throw error;
    } finally {
      improving.abort();
    }
  }

  async #receive(
    messenger: Messenger,
    channel: Channel,
    passing: ReceiverPassing | undefined,
  ): Promise<FilerError | undefined> {
    const { member, signal } = this.#around;
    const { peer, path, destination, onConflict, checksum, limit } = this.#request;
    this.#connection = messenger.path ?? DIRECT;
    this.#tally.begin();
    const { header, content } = formatFetch({ path, name: destination.name, checksum, limit }, 'fetch');
    await messenger.send(header, content);
    const outcome = await receiveFiles(channel, {
      network: member.network,
      keyPair: member.identity,
      senderId: peer.id,
      limit: member.limits.receive,
      inbox: destination.folder,
      folder: '',
      policy: { accept: () => onlyThis(destination.name), leavesOut: this.#leavesOut },
      known: member.digests,
      deliveries: member.deliveries.of(peer.id, destination.folder),
      // What is here belongs to the user who fetches: it is replaced where that user says so.
      replaces: onConflict === 'update' ? 'own' : 'all',
      mark: this.#mark,
      onConflict,
      checksum,
      signal,
      passing,
      ...this.#time.pace,
      on: (event) => this.#tally.take(event),
      caughtUp: this.#around.caughtUp,
    });
    this.#tally.end(outcome);
    return outcome.error;
  }
}

/** What was asked for, in any amount, and nothing else. */
function onlyThis(name: string): Cap {
  return { files: Infinity, bytes: Infinity, names: new Set([name]) };
}

/** @param path undefined where the peer was not reached */
function connectionOf(path: string | undefined): { readonly connection?: string } {
  return path === undefined ? {} : { connection: path };
}
