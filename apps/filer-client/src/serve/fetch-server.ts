import {
  FilerError,
  formatError,
  parseFetch,
  PARALLEL,
  PASS_ON,
  type Membership,
  type Message,
  type Messenger,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import {
  inspectSource,
  isPartName,
  isStageName,
  lowestOf,
  ParallelSending,
  RateLimit,
  RelayRace,
  sendFiles,
  type Channel,
  type RelayMember,
  type SendOptions,
  type TransferSlots,
} from '@filer/transfer';
import type { Member } from '../network/member.ts';
import { mostParallel } from '../network/open-parallel.ts';
import type { ServingDocument } from '../api/contract/transfers.ts';
import { movedOn } from '../jobs/over-best-path.ts';
import { LiveProgress } from '../jobs/live-progress.ts';
import { forgetOldPulls, PullRecord } from '../jobs/pull-record.ts';
import { subnetOf } from '../jobs/subnet.ts';
import { openShared } from './shared.ts';
import { SenderRetention } from '../store/retention.ts';

/** Who fetches says little: a few answers and receipts. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** After so many fetches of one peer the oldest are looked for. */
const FORGET_AFTER = 500;

export interface FetchServerOptions {
  readonly member: Member;
  /** Room for transfers, those that come in included. */
  readonly slots: TransferSlots;
  readonly log: Logger;
}

interface Running {
  readonly from: Membership;
  readonly path: string;
  readonly since: string;
  readonly progress: LiveProgress;
  readonly share: string;
  readonly stop: AbortController;
  readonly work: Promise<void>;
}

interface Fetch {
  readonly signal: AbortSignal;
  readonly progress: LiveProgress;
  readonly relay: SendOptions['relay'];
}

/** Gives other members what they fetch from the shares of this machine. */
export class FetchServer {
  readonly #options: FetchServerOptions;
  readonly #running = new Set<Running>();
  /** What is fetched now by several, by its path. */
  readonly #races = new Map<string, { readonly race: RelayRace; users: number }>();
  readonly #kept = new SenderRetention(FORGET_AFTER, (peer) => forgetOldPulls(this.#options.member, peer));
  #stopping = false;

  constructor(options: FetchServerOptions) {
    this.#options = options;
  }

  /** Serves one connection whose next message is `fetch`, to its end. */
  async serve(messenger: Messenger, from: Membership, features: readonly string[] = []): Promise<void> {
    messenger.setMaxUnreadBytes(MAX_UNREAD_BYTES);
    const first = await messenger[Symbol.asyncIterator]().next();
    if (first.done === true) return;
    const { value: asked } = first;
    try {
      const channel = features.includes(PARALLEL) ? this.#overSeveral(messenger, from) : messenger;
      await this.#serve(messenger, channel, from, asked, features.includes(PASS_ON));
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#options.log.warn('a fetch was refused', { by: from.name, error });
      await messenger.send(formatError(error, asked.header['id'])).catch(() => undefined);
    } finally {
      await messenger.close();
    }
  }

  /** Who fetches may open further connections, where it is asked to. */
  #overSeveral(messenger: Messenger, { id }: Membership): Channel {
    const { parallel } = this.#options.member;
    const token = parallel.expect(id, messenger, (connection) => channel.add(connection));
    const channel = new ParallelSending(messenger, { most: mostParallel(messenger), token });
    return channel;
  }

  /** Those who fetch the same at the same time pass it on to each other. */
  #enter(path: string): { readonly race: RelayRace } & Disposable {
    const { passOnFromBytes, recipientRates } = this.#options.member;
    const shared = this.#races.get(path) ?? {
      race: new RelayRace(passOnFromBytes, recipientRates),
      users: 0,
    };
    shared.users++;
    this.#races.set(path, shared);
    return {
      race: shared.race,
      [Symbol.dispose]: () => {
        if (--shared.users > 0) return;
        this.#races.delete(path);
        shared.race[Symbol.dispose]();
      },
    };
  }

  #racer(id: string, passes: boolean): RelayMember {
    const peer = this.#options.member.directory.byId(id);
    return { id, passes, subnet: peer === undefined ? undefined : subnetOf(peer) };
  }

  get serving(): readonly ServingDocument[] {
    return [...this.#running].map(({ from: { name: to, id: toId }, path, since, progress }) => {
      return { to, toId, path, since, progress: progress.at(performance.now()) };
    });
  }

  /** The share was removed: a machine that fetches from it gets no further. */
  end(share: string): void {
    const gone = new FilerError('path-missing', `the share ${JSON.stringify(share)} was removed`);
    for (const running of this.#running) if (running.share === share) running.stop.abort(gone);
  }

  /** Ends what runs; who fetches tries again. */
  async close(): Promise<void> {
    this.#stopping = true;
    for (const { stop } of this.#running) stop.abort(stopping());
    await Promise.allSettled([...this.#running].map(({ work }) => work));
  }

  async #serve(
    messenger: Messenger,
    channel: Channel,
    from: Membership,
    asked: Message,
    passes: boolean,
  ): Promise<void> {
    const { path } = parseFetch(asked);
    const [share = ''] = path.split('/');
    const stop = new AbortController();
    const progress = new LiveProgress();
    const about = { from, path, since: new Date().toISOString(), progress, share, stop };
    using entered = passes ? this.#enter(path) : undefined;
    const relay =
      entered === undefined ? undefined : { race: entered.race, member: this.#racer(from.id, passes) };
    const work = this.#send(messenger, channel, from, asked, { signal: stop.signal, progress, relay });
    const running: Running = { ...about, work };
    this.#running.add(running);
    const end = this.#options.member.pulse.begin();
    if (this.#stopping) stop.abort(stopping());
    try {
      await running.work;
    } finally {
      this.#running.delete(running);
      end();
    }
  }

  async #send(
    messenger: Messenger,
    channel: Channel,
    from: Membership,
    asked: Message,
    { signal, progress, relay }: Fetch,
  ): Promise<void> {
    const { member, slots, log } = this.#options;
    const { path, name, checksum, limit } = parseFetch(asked);
    // Looked up before the wait and after it: no one waits for what is not there, nor gets what is no longer there.
    openShared(member, from.id, path)[Symbol.dispose]();
    const release = await slots.take(from.id, messenger);
    try {
      using shared = openShared(member, from.id, path);
      const source = { file: shared.file, name, shared: shared.folder };
      await inspectSource(source);
      const record = new PullRecord(member, from, path);
      const outcome = await sendFiles(channel, {
        files: [source],
        tellsUnsent: true,
        receiverChooses: true,
        job: record.job,
        keep: (receipts, fileOf) => record.keep(receipts, fileOf),
        network: member.network,
        senderId: member.id,
        receiverId: from.id,
        checksum,
        limit: lowestOf(limit === undefined ? undefined : new RateLimit(limit), member.limits.send),
        known: member.digests,
        ignored: (top, inside, isFolder) =>
          (!isFolder && isPart(inside)) || shared.rules.ignores(`${top}/${inside}`, isFolder),
        signal,
        // A rate that was asked for is kept to by this machine alone.
        relay: limit === undefined ? relay : undefined,
        on: (event) => {
          if (event.type === 'progress') progress.note(event, performance.now());
        },
      });
      record.end(outcome);
      this.#kept.added(from.id);
      const { filesDelivered: files, filesSkipped, filesFailed, bytesSent, error } = outcome;
      const facts = { by: from.name, path, files, filesSkipped, filesFailed, bytesSent };
      if (error === undefined) log.info('fetched', facts);
      else if (movedOn(error, messenger)) log.info('a fetch continues on a better path', facts);
      else log.warn('a fetch ended early', { ...facts, error });
    } finally {
      release();
    }
  }
}

function stopping(): FilerError {
  return new FilerError('terminated', 'the owner of the share is stopping');
}

/** What arrives there now is no one's yet. */
function isPart(path: string): boolean {
  return (
    isPartName(path.slice(path.lastIndexOf('/') + 1)) || path.split('/').some((each) => isStageName(each))
  );
}
