import { FilerError, formatDeliver, Glob, type CollectAsked } from '@filer/protocol';
import type { Logger } from '@filer/program';
import {
  inspectSource,
  isPartName,
  isStageName,
  sendFiles,
  SharedFolder,
  type TransferSlots,
} from '@filer/transfer';
import type { Member } from '../network/member.ts';
import { SERVER_NAME } from '../network/server-name.ts';
import { openUpload } from '../network/server-upload.ts';
import type { Share } from '../store/share-store.ts';
import { SenderRetention } from '../store/retention.ts';
import type { ServingDocument } from '../api/contract/transfers.ts';
import { ShareRules } from '../jobs/ignore-rules.ts';
import { LiveProgress } from '../jobs/live-progress.ts';
import { forgetOldPulls, PullRecord } from '../jobs/pull-record.ts';

export interface CollectDeliveriesOptions {
  readonly member: Member;
  readonly software: string;
  /** Room for transfers, those that come in included. */
  readonly slots: TransferSlots;
  readonly log: Logger;
}

/** What one server may ask for at once; an honest one has a few collects. */
const MAX_AT_ONCE = 64;

/** After so many deliveries the oldest in the history are looked for. */
const FORGET_AFTER = 500;

interface Running {
  readonly path: string;
  readonly since: string;
  readonly progress: LiveProgress;
  readonly shares: readonly string[];
  readonly stop: AbortController;
  readonly work: Promise<void>;
}

/** Brings the ip-server what its collects ask for, of what is shared with it. Nothing is kept: it asks again. */
export class CollectDeliveries {
  readonly #options: CollectDeliveriesOptions;
  /** By run. */
  readonly #running = new Map<string, Running>();
  readonly #kept: SenderRetention;
  #stopping = false;

  constructor(options: CollectDeliveriesOptions) {
    this.#options = options;
    this.#kept = new SenderRetention(FORGET_AFTER, (peer) => forgetOldPulls(options.member, peer));
  }

  /**
   * Begins to deliver, and waits for nothing. A run that is asked for once more begins again: the server has lost the
   * first connection.
   *
   * @throws FilerError `path-missing` when nothing of it is shared with the server, `message-malformed`,
   *   `rate-limited`, `terminated`
   */
  begin(asked: CollectAsked): void {
    if (this.#stopping) throw stopping();
    const globs = asked.paths.map((path) => Glob.parse(path));
    const shares = this.#sharesFor(globs);
    const before = this.#running.get(asked.run);
    if (before === undefined && this.#running.size >= MAX_AT_ONCE)
      throw new FilerError('rate-limited', `${MAX_AT_ONCE} deliveries run here already: ask again later`);
    before?.stop.abort(new FilerError('connection-closed', 'the ip-server asked once more'));
    const stop = new AbortController();
    const progress = new LiveProgress();
    const deliver = async (): Promise<void> => {
      await before?.work;
      await this.#deliver(asked, globs, shares, stop.signal, progress);
    };
    const end = this.#options.member.pulse.begin();
    const running: Running = {
      path: asked.paths.join(' '),
      since: new Date().toISOString(),
      progress,
      shares: shares.map(({ name }) => name),
      stop,
      work: deliver().finally(() => {
        if (this.#running.get(asked.run) === running) this.#running.delete(asked.run);
        end();
      }),
    };
    this.#running.set(asked.run, running);
  }

  get serving(): readonly ServingDocument[] {
    const { id: toId } = this.#options.member.server;
    return [...this.#running.values()].map(({ path, since, progress }) => {
      return { to: SERVER_NAME, toId, path, since, progress: progress.at(performance.now()) };
    });
  }

  /** The share was removed. */
  end(share: string): void {
    const gone = new FilerError('path-missing', `the share ${JSON.stringify(share)} was removed`);
    for (const { shares, stop } of this.#running.values()) if (shares.includes(share)) stop.abort(gone);
  }

  /** Ends what runs; the server asks again. */
  async close(): Promise<void> {
    this.#stopping = true;
    for (const { stop } of this.#running.values()) stop.abort(stopping());
    await Promise.all([...this.#running.values()].map(({ work }) => work));
  }

  /** Only what is shared with the server is there for it. */
  #sharesFor(globs: readonly Glob[]): Share[] {
    const { member } = this.#options;
    const shares = member.shares
      .all()
      .filter(({ forServer, name }) => forServer && globs.some((glob) => glob.reaches(name)));
    if (shares.length === 0) {
      const wanted = globs.map(({ text }) => text.split('/')[0] ?? '').join(', ');
      throw new FilerError(
        'path-missing',
        `${member.name} shares no ${wanted} with the ip-server: type there \`filer-client share add DIR --as NAME --server\``,
      );
    }
    for (const { name, folder } of shares) SharedFolder.open(name, folder)[Symbol.dispose]();
    return shares;
  }

  async #deliver(
    asked: CollectAsked,
    globs: readonly Glob[],
    shares: readonly Share[],
    signal: AbortSignal,
    progress: LiveProgress,
  ): Promise<void> {
    const { log } = this.#options;
    const facts = { collect: asked.name, run: asked.run, paths: asked.paths.join(' ') };
    try {
      await this.#send(asked.run, globs, shares, signal, progress, facts);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      log.warn('a delivery to the ip-server failed', { ...facts, error });
    }
  }

  async #send(
    run: string,
    globs: readonly Glob[],
    shares: readonly Share[],
    signal: AbortSignal,
    progress: LiveProgress,
    facts: { readonly paths: string },
  ): Promise<void> {
    const { member, software, slots, log } = this.#options;
    using opened = openShares(shares);
    const { messenger, server: serverId } = await openUpload(member, software, formatDeliver(run), signal);
    try {
      const release = await slots.take(serverId, messenger);
      try {
        for (const source of opened.sources) await inspectSource(source);
        const record = new PullRecord(member, { id: serverId, name: SERVER_NAME }, facts.paths);
        const outcome = await sendFiles(messenger, {
          files: opened.sources,
          onlyEntered: (folder) => !globs.some((glob) => glob.matches(folder)),
          ignored: (share, inside, isFolder) => opened.hides(globs, share, inside, isFolder),
          // Each that the patterns name is asked for.
          links: 'require',
          tellsUnsent: true,
          tellsNothing: true,
          job: record.job,
          keep: (receipts, fileOf) => record.keep(receipts, fileOf),
          network: member.network,
          senderId: member.id,
          receiverId: serverId,
          known: member.digests,
          limit: member.limits.send,
          signal,
          on: (event) => {
            if (event.type === 'progress') progress.note(event, performance.now());
          },
        });
        record.end(outcome);
        this.#kept.added(serverId);
        const { filesDelivered: files, filesSkipped, filesFailed, bytesSent, error } = outcome;
        const counts = { ...facts, files, filesSkipped, filesFailed, bytesSent };
        if (error === undefined) log.info('delivered to the ip-server', counts);
        else log.warn('a delivery to the ip-server ended early', { ...counts, error });
      } catch (error) {
        if (error instanceof FilerError) messenger.reject(error);
        throw error;
      } finally {
        release();
      }
    } finally {
      await messenger.close();
    }
  }
}

interface OpenShares extends Disposable {
  readonly sources: readonly {
    readonly file: string;
    readonly name: string;
    readonly shared: SharedFolder;
  }[];
  /** Whether something is not what is asked for, nor leads to it, or is kept back by its owner. */
  hides(globs: readonly Glob[], share: string, inside: string, isFolder: boolean): boolean;
}

/** @throws FilerError `path-missing` */
function openShares(shares: readonly Share[]): OpenShares {
  const folders = new Map<string, { readonly folder: SharedFolder; readonly rules: ShareRules }>();
  const close = (): void => {
    for (const { folder } of folders.values()) folder[Symbol.dispose]();
  };
  try {
    for (const { name, folder: path } of shares) {
      const folder = SharedFolder.open(name, path);
      folders.set(name, { folder, rules: new ShareRules(folder) });
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    sources: [...folders].map(([name, { folder }]) => ({ file: name, name, shared: folder })),
    hides: (globs, share, inside, isFolder) => {
      const path = `${share}/${inside}`;
      const own = inside.slice(inside.lastIndexOf('/') + 1);
      if (isFolder ? isStageName(own) : isPartName(own)) return true;
      const isAsked = globs.some((glob) => glob.matches(path) || (isFolder && glob.reaches(path)));
      return !isAsked || folders.get(share)?.rules.ignores(path, isFolder) === true;
    },
    [Symbol.dispose]: close,
  };
}

function stopping(): FilerError {
  return new FilerError('terminated', 'filer-client is stopping on this machine');
}
