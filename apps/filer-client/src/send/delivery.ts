import {
  type Turn,
  aborted,
  FilerError,
  messageOf,
  PARALLEL,
  PASS_ON,
  type ReceiptBatch,
} from '@filer/protocol';
import { iso, ProgressThrottle } from '@filer/program';
import {
  ParallelSending,
  sendFiles,
  type FileResult,
  type Growing,
  type RelayRace,
  type SendEvent as EngineEvent,
  type SendOptions,
  type SourceFile,
} from '@filer/transfer';
import type { Outreach } from '../network/outreach.ts';
import { reachForTransfer, type ReachedForTransfer } from '../network/reach-for-transfer.ts';
import { mostParallel, openParallel } from '../network/open-parallel.ts';
import { DIRECT } from '../network/paths/direct.ts';
import { overBestPath } from '../jobs/over-best-path.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { DeliveryCounts } from '../api/contract/counts.ts';
import type { FailedFile } from '../store/job-rows.ts';
import { DeliveryTally } from './delivery-tally.ts';
import { ignoreRules } from '../jobs/ignore-rules.ts';
import { ListedFiles } from './listed-files.ts';
import type { ProgressDocument } from '../api/contract/transfers.ts';
import { LiveProgress } from '../jobs/live-progress.ts';
import type { Progress, SendEvent } from '../api/contract/send.ts';
import { nameThere, shownPath, waysOf, type SendRequest } from '../jobs/send-request.ts';
import { Mirrored, MIRRORS } from './mirrored.ts';
import { subnetOf } from '../jobs/subnet.ts';
import { isStaged, STAGES } from './staged.ts';
import { requireWhole } from './spool-folder.ts';
import { verifiedBefore } from './verified-before.ts';
import { TimeLimit } from '../jobs/time-limit.ts';
import { isLost, whileLost } from '../jobs/while-lost.ts';
import { LINK_LEFT_OUT } from './link-left-out.ts';

export interface DeliveryOptions {
  readonly job: string;
  readonly peer: KnownPeer;
  readonly request: SendRequest;
  /** What all deliveries of the job have in common. */
  readonly shared: Pick<SendOptions, 'reads' | 'limit'>;
  /** What the recipients pass on to each other. @default all goes from here */
  readonly race?: RelayRace | undefined;
  /** Content comes of other recipients from now on. */
  readonly joined?: (() => void) | undefined;
  /** Whether the process that ran the job before this one was killed: the recipient was lost then. */
  readonly wasLost?: boolean;
  /** Tells of the one path, while it is still being written. */
  readonly growing?: Growing | undefined;
  readonly outreach: Outreach;
  /** Gets what continues; must not throw, and holds nothing up. */
  readonly emit: (event: SendEvent) => void;
  readonly signal: AbortSignal;
  /** Left while a person at the other end decides, who may take days: others are served meanwhile. */
  readonly turns: readonly Turn[];
}

/** Places that one recipient names in one job: it has what was sent in one folder, and another one after midnight. */
const MAX_PLACES = 8;

/** The job's files on their way to one recipient, over as many connections as it takes. */
export class Delivery {
  readonly #options: DeliveryOptions;
  /** Paths without a final result: a folder, until a connection brought all of it to an end. */
  readonly #open: Set<string>;
  /** What of the one path is to go, for a watched folder. */
  readonly #listed: ListedFiles | undefined;
  /** Folders of the recipient's inbox that were noted. @see WatchStore.notePlace */
  readonly #places = new Set<string>();
  readonly #tally: DeliveryTally;
  readonly #mirrored: Mirrored;
  readonly #progress = new LiveProgress();
  readonly #throttle = new ProgressThrottle<Progress>((progress) => this.#options.emit(progress));
  readonly #time: TimeLimit;
  #toldWaiting = false;
  #path: string | undefined;

  constructor(options: DeliveryOptions) {
    const { job, peer, request, outreach } = options;
    this.#options = request.spooled
      ? { ...options, emit: (event) => options.emit(shownEvent(request, event)) }
      : options;
    this.#time = new TimeLimit(request.timeoutMs, request.limit);
    const before = verifiedBefore(outreach.member.receipts, job, peer.id, request.paths);
    // Of a stage all is told once more: the receiver signs for what is in it, and for nothing else.
    this.#open = new Set(
      request.paths.filter((path) =>
        request.stage ? !isStaged(outreach.member, job, peer.id) : !before.paths.has(path),
      ),
    );
    this.#tally = new DeliveryTally(before, request.bytesTotal);
    this.#mirrored = new Mirrored({ member: outreach.member, job, peer, request, emit: this.#options.emit });
    this.#listed = request.watch === 0 ? undefined : new ListedFiles(outreach.member, job, request);
  }

  /** Over all tries, those of earlier runs too. */
  get counts(): DeliveryCounts {
    return { ...this.#tally.counts, filesRemoved: this.#mirrored.filesRemoved };
  }

  /** On which path the recipient is reached, or was last; undefined before it was. */
  get path(): string | undefined {
    return this.#path;
  }

  /** What this run alone has counted. */
  get ownCounts(): DeliveryCounts {
    return { ...this.#tally.ownCounts, filesRemoved: this.#mirrored.filesRemoved };
  }

  /** How far it is, once it is under way. */
  get progress(): ProgressDocument | null {
    return this.#progress.at(performance.now());
  }

  get failures(): readonly FailedFile[] {
    return this.#tally.failures;
  }

  /** @returns why not all was delivered, or undefined */
  async run(): Promise<FilerError | undefined> {
    const { signal } = this.#options;
    if (this.#open.size === 0) return undefined; // all of it came in an earlier run
    this.#time.progressed();
    const error = await this.#whileLost();
    this.#throttle.stop();
    if (signal.aborted) return error;
    return error === undefined ? (this.#tally.failure() ?? this.#unsealed()) : this.#giveUp(error);
  }

  /** Why what was staged cannot be released. */
  #unsealed(): FilerError | undefined {
    const { outreach, job, peer, request } = this.#options;
    if (!request.stage || isStaged(outreach.member, job, peer.id)) return undefined;
    return new FilerError(
      'verification-failed',
      `${peer.name} has not signed that all of it is staged: send it again`,
    );
  }

  async #whileLost(): Promise<FilerError | undefined> {
    const { signal, emit, job, peer, wasLost = false } = this.#options;
    return await whileLost({
      peer: peer.name,
      limit: this.#time,
      signal,
      wasLost,
      attempt: () => this.#attempt(),
      progress: () => this.#tally.steps,
      onLost: ({ message: reason }) => emit({ type: 'retry', job, recipient: peer.name, reason }),
    });
  }

  /** One connection, and a better one if there is one meanwhile. @returns why it ended early, or undefined */
  async #attempt(): Promise<FilerError | undefined> {
    const { outreach, peer, request, race, signal } = this.#options;
    const improving = new AbortController();
    try {
      const bytes = this.#listed?.bytes ?? request.bytesTotal;
      const { mirror } = this.#mirrored.begin();
      const needs = [...(mirror === true ? [MIRRORS] : []), ...(request.stage ? [STAGES] : [])];
      const uses = [PARALLEL, ...(race === undefined ? [] : [PASS_ON])];
      const how = { needs, uses, ways: waysOf(request), improves: improving.signal };
      const reached = await this.#time.reach(peer.name, signal, (stop) =>
        reachForTransfer(outreach, peer, bytes, stop, how),
      );
      return await overBestPath(reached, (connection) => this.#transfer(connection));
    } catch (error) {
      if (signal.aborted) return undefined;
      if (error instanceof FilerError) return error;
      throw error;
    } finally {
      improving.abort();
    }
  }

  async #transfer({ messenger, features }: ReachedForTransfer): Promise<FilerError | undefined> {
    const { outreach, peer, job, request, shared, race, joined, signal, turns } = this.#options;
    const { note, onConflict, checksum, snapshot, exclude, links, stage } = request;
    const { member } = outreach;
    this.#path = messenger.path ?? DIRECT;
    const mirroring = this.#mirrored.begin();
    this.#tally.beginConnection();
    const racer = { id: peer.id, passes: features.includes(PASS_ON), subnet: subnetOf(peer) };
    const open = openParallel(outreach, peer, messenger);
    const channel = features.includes(PARALLEL)
      ? new ParallelSending(messenger, {
          most: mostParallel(messenger),
          open,
          sharesUplink: () => race?.sharesUplink(peer.id) === true,
        })
      : messenger;
    const outcome = await sendFiles(channel, {
      files: this.#listed ?? this.#sources(),
      network: member.network,
      senderId: member.id,
      receiverId: peer.id,
      job,
      note,
      onConflict,
      checksum,
      tellsVersions: this.#listed?.isRemovedAfter,
      snapshot,
      ...shared,
      relay: race === undefined ? undefined : { race, member: racer, joined },
      known: member.digests,
      ignored: ignoreRules(exclude),
      links,
      ...mirroring,
      stage,
      keepStaged: (word) => member.releases.signed(job, peer, word),
      signal,
      ...this.#time.pace,
      on: (event) => {
        if (event.type === 'waiting') member.stalledPaths.asking.add(messenger);
        this.#take(event);
      },
      accepted: async () => {
        member.stalledPaths.asking.delete(messenger);
        for (const turn of turns) await Promise.race([turn.again(), aborted(signal)]);
      },
      keep: (receipts, fileOf) => this.#keep(receipts, fileOf),
    });
    this.#tally.endConnection(outcome.bytesSent, outcome.bytesTotal);
    if (outcome.error === undefined) this.#mirrored.completed();
    // Everything that was named has its result: the connection owes nothing.
    return this.#open.size === 0 && isLost(outcome.error?.code) ? undefined : outcome.error;
  }

  /** @throws FilerError `path-missing` */
  #sources(): SourceFile[] {
    const { request, growing } = this.#options;
    if (request.spooled && growing === undefined) requireWhole(request);
    return [...this.#open].map((file) => ({ file, name: nameThere(request, file), growing }));
  }

  #take(event: EngineEvent): void {
    this.#mirrored.take(event);
    if (event.type === 'progress') this.#tellProgress(event);
    else if (event.type === 'waiting') this.#waits();
    else if (event.type === 'left-out') this.#leftOut(event.file, event.why);
    else if (event.type === 'folder') this.#notePlace(event.name, event.path);
    else if (event.type === 'file') {
      this.#notePlace(event.result.name, event.result.path ?? '');
      this.#takeResult(event.file, event.result);
    }
  }

  #tellProgress(event: EngineEvent & { readonly type: 'progress' }): void {
    const { job, peer } = this.#options;
    // What comes of others is progress, too.
    this.#time.moved(event.bytesSent + (this.#options.race?.bytesOf(peer.id) ?? 0));
    const { bytesDone, filesDone, filesTotal, complete } = event;
    this.#tally.onTheWay(event.bytesSent, event.bytesTotal);
    const { bytesSent, bytesTotal } = this.#tally.ownCounts;
    const progress: Progress = {
      type: 'progress',
      job,
      recipient: peer.name,
      path: event.file,
      fileBytesSent: event.fileBytes,
      fileBytesTotal: event.fileSize,
      bytesSent,
      bytesDone,
      bytesTotal,
      filesDone,
      filesTotal,
      complete,
    };
    this.#progress.note(progress, performance.now());
    this.#throttle.take(progress, complete && filesDone === filesTotal);
  }

  /** The recipient asks a person: others have the turn meanwhile. */
  #waits(): void {
    const { emit, job, peer, turns } = this.#options;
    for (const turn of turns) turn.leave();
    if (this.#toldWaiting) return;
    this.#toldWaiting = true;
    emit({ type: 'waiting', job, recipient: peer.name, recipientId: peer.id });
  }

  #takeResult(path: string, result: FileResult): void {
    const { emit, job, peer, signal } = this.#options;
    const { status, size, kept = false, code, message, digest, failedBy } = result;
    if (status !== 'failed') this.#time.progressed();
    // A file that only fell with its connection is tried again.
    if (failedBy === 'transfer' && isLost(code)) return;
    if (failedBy === 'here' && this.#listed?.isPassedOver(path, code) === true) return;
    if (signal.aborted && status === 'failed') return;
    const isNamed = this.#open.delete(path);
    const reason = status !== 'skipped' ? null : kept ? 'kept-theirs' : 'identical';
    const ok = status !== 'failed';
    const proof = digest !== undefined ? 'receipt' : ok && !kept ? 'word' : null;
    const outcome = {
      type: 'file',
      job,
      recipient: peer.name,
      path,
      ok,
      size,
      status,
      reason,
      proof,
    } as const;
    if (status === 'failed') {
      const failure = { path, code: code ?? 'internal', message: message ?? 'failed' };
      this.#tally.failed(failure, isNamed);
      emit({ ...outcome, code: failure.code, message: failure.message });
    } else if (this.#tally.settled(path, status, isNamed, kept)) {
      emit({ ...outcome, code: null, message: null });
    }
  }

  /** A link stays here, and nothing has failed. */
  #leftOut(path: string, why: string | undefined): void {
    const { emit, job, peer } = this.#options;
    const message = why ?? null;
    if (this.#tally.leftOut())
      emit({ type: 'file', job, recipient: peer.name, path, ...LINK_LEFT_OUT, message });
  }

  /** Notes where a recipient has what a watch ships. @param path relative to its inbox: another machine's word */
  #notePlace(name: string, path: string): void {
    const { outreach, request } = this.#options;
    const { watch, paths } = request;
    const top = nameThere(request, paths[0] ?? '');
    if (watch === 0 || !name.startsWith(`${top}/`) || !path.endsWith(`/${name}`)) return;
    const place = path.slice(0, path.length - name.length + top.length);
    if (this.#places.has(place) || this.#places.size >= MAX_PLACES) return;
    this.#places.add(place);
    outreach.member.watches.notePlace(watch, place);
  }

  /** What is still open fails for one reason. @returns that reason */
  #giveUp(error: FilerError): FilerError {
    for (const path of this.#open) {
      this.#tally.failed({ path, code: error.code, message: messageOf(error) }, true);
    }
    this.#open.clear();
    return error;
  }

  async #keep(batch: ReceiptBatch, fileOf: (entry: number) => string): Promise<void> {
    const { outreach, emit, job, peer } = this.#options;
    const paths = batch.files.map(({ entry }) => fileOf(entry));
    const { receipts, clock } = outreach.member;
    await receipts.add({ job, peer: peer.id, batch, paths, receivedAt: clock.stamp() });
    batch.files.forEach((file, n) => {
      emit({
        type: 'receipt',
        job,
        recipient: peer.name,
        recipientId: peer.id,
        path: paths[n] ?? '',
        receivedAs: file.path,
        size: file.size,
        digest: file.digest,
        synced: file.synced,
        present: file.present === true,
        time: iso(batch.time),
      });
    });
  }
}

/** What a person did not name is told as what they typed. */
function shownEvent(request: SendRequest, event: SendEvent): SendEvent {
  return 'path' in event ? { ...event, path: shownPath(request, event.path) } : event;
}
