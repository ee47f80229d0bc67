import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  EXIT_CODES,
  FilerError,
  formatFetch,
  PASS_ON,
  type Entry,
  type Messenger,
  type OnConflict,
} from '@filer/protocol';
import { ProgressThrottle, type Home } from '@filer/program';
import {
  cleanMarkedParts,
  receiveFiles,
  type Cap,
  type ReceiveEvent,
  type ReceiverPassing,
} from '@filer/transfer';
import ignore from 'ignore';
import type { Outreach } from '../network/outreach.ts';
import { reachPeer } from '../network/reach-peer.ts';
import type { Ways } from '../network/paths.ts';
import { DIRECT } from '../network/paths/direct.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Destination } from './destination.ts';
import type { GetDone, GetEvent } from '../api/contract/get.ts';
import type { FetchingDocument } from '../api/contract/transfers.ts';
import type { PassingOn } from '../jobs/passing-on.ts';
import { lockDestination } from './get-lock.ts';
import { presentHere } from './present-here.ts';
import { LiveProgress } from '../jobs/live-progress.ts';
import { overBestPath } from '../jobs/over-best-path.ts';
import { TimeLimit } from '../jobs/time-limit.ts';
import type { FileOutcome, Progress } from '../api/contract/send.ts';
import { isLost, whileLost } from '../jobs/while-lost.ts';

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

/** So many bytes count as having got on. */
const STEP_BYTES = 1024 * 1024;

/** Fetches a file or a folder from a peer's share, over as many connections as it takes. */
export class GetJob {
  readonly id: string;
  readonly #request: GetRequest;
  readonly #around: GetSurroundings;
  readonly #leavesOut: (entry: Entry) => boolean;
  /** Of parts that go to this destination: held by one get at a time. */
  readonly #mark: string;
  readonly #time: TimeLimit;
  #delivered = 0;
  #skipped = 0;
  /** Those of the skipped whose name another content keeps here. */
  #kept = 0;
  /** Whether the peer announced what was asked for. */
  #wasAnnounced = false;
  /** Of the last connection: the next one tries them again. */
  #firstFailure: FileOutcome | undefined;
  #failed = 0;
  /** Links that stay there. */
  #leftOut = 0;
  #leftOutTold = 0;
  /** What earlier connections brought is there already, and was counted. */
  #toldAgain = 0;
  #bytesReceived = 0;
  #bytesTotal = 0;
  /** Of this connection: files that are here, and their bytes. */
  #filesDone = 0;
  #bytesDone = 0;
  /** Of a dry run: files and links that would come, their bytes, and those that are here. */
  #wouldGet = 0;
  #wouldGetBytes = 0;
  #isHere = 0;
  readonly #since = new Date().toISOString();
  readonly #progress = new LiveProgress();
  readonly #throttle = new ProgressThrottle<Progress>((progress) => this.#around.emit(progress));
  /** Where it is, once it does: its name may have been taken. */
  #path: string;
  /** On which path the peer was reached last. */
  #connection: string | undefined;

  constructor(request: GetRequest, around: GetSurroundings) {
    this.id = request.id;
    this.#request = request;
    this.#time = new TimeLimit(request.timeoutMs, request.limit);
    this.#around = around;
    const { exclude, dryRun, destination } = request;
    this.#path = join(destination.folder, destination.name);
    this.#mark = `${createHash('sha256').update(`${around.member.id}${this.#path}`).digest('hex').slice(0, 16)}-`;
    const rules = ignore({ allowRelativePaths: true }).add(exclude.join('\n'));
    this.#leavesOut = (entry) => {
      if (entry.path === destination.name) this.#wasAnnounced = true;
      const below = entry.path.split('/').slice(1).join('/');
      if (below !== '' && rules.ignores(entry.kind === 'dir' ? `${below}/` : below)) return true;
      if (dryRun) this.#tellWouldGet(entry);
      return dryRun;
    };
  }

  /** As `transfers --json` tells it. */
  get document(): FetchingDocument {
    const { peer, path } = this.#request;
    const progress = this.#progress.at(performance.now());
    return {
      job: this.id,
      from: peer.name,
      fromId: peer.id,
      path,
      dest: this.#path,
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
    const arrived = this.#delivered + this.#skipped;
    const code = failure?.code ?? null;
    const exitCode = code === null ? 0 : EXIT_CODES[arrived > 0 ? 'partial' : code];
    return {
      type: 'done',
      job: this.id,
      ok: exitCode === 0,
      exitCode,
      filesSent: this.#delivered,
      filesSkipped: this.#skipped + this.#isHere,
      filesKept: this.#kept,
      filesFailed: this.#failed,
      filesRemoved: 0,
      linksLeftOut: this.#leftOut,
      bytesSent: this.#bytesReceived,
      bytesTotal: this.#request.dryRun ? this.#wouldGetBytes : this.#bytesTotal,
      ...(this.#request.dryRun ? { dryRun: true, filesTotal: this.#wouldGet } : {}),
      from,
      path: this.#path,
      recipients: [
        {
          ...me,
          ok: exitCode === 0,
          code,
          status: failure?.message ?? this.#inWords(),
          ...connectionOf(this.#connection),
        },
      ],
    };
  }

  #inWords(): string {
    if (this.#request.dryRun) return 'nothing was fetched (--dry-run)';
    const files = this.#delivered === 1 ? '1 file' : `${this.#delivered} files`;
    const here = this.#skipped - this.#kept;
    const skipped = here === 0 ? '' : `, ${here} here already`;
    const kept = this.#kept === 0 ? '' : `, ${this.#kept} not compared: what is here is kept`;
    return `${files} fetched${skipped}${kept}`;
  }

  /** @returns why not all came, or undefined */
  async #fetch(home: Home): Promise<FilerError | undefined> {
    const { peer, destination, dryRun } = this.#request;
    const { emit, signal } = this.#around;
    const common = { job: this.id, path: this.#path };
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
        progress: () => Math.floor(this.#bytesReceived / STEP_BYTES) + this.#delivered + this.#skipped,
        onLost: ({ message: reason }) =>
          emit({ type: 'retry', job: this.id, recipient: this.#around.member.name, reason }),
      });
      return error ?? this.#failure();
    } finally {
      this.#throttle.stop();
      await lock?.release();
    }
  }

  #failure(): FilerError | undefined {
    const first = this.#firstFailure;
    if (first === undefined && !this.#wasAnnounced) {
      const { peer, path } = this.#request;
      return new FilerError(
        'unexpected-message',
        `${peer.name} sent nothing of ${JSON.stringify(path)}: ask there`,
      );
    }
    if (first === undefined) return undefined;
    const arrived = this.#delivered + this.#skipped;
    if (arrived === 0) return new FilerError(first.code ?? 'internal', first.message ?? 'failed');
    const failed = this.#failed;
    return new FilerError('partial', `${failed} of ${failed + arrived} files failed`);
  }

  /** One connection. @returns why it ended early, or undefined */
  async #attempt(): Promise<FilerError | undefined> {
    const { signal } = this.#around;
    const { peer, ways, limit, dryRun } = this.#request;
    // A rate that was asked for is kept to by the peer alone.
    const passes = limit !== undefined || dryRun || ways !== 'any' ? undefined : this.#around.passing;
    const features = passes === undefined ? [] : [PASS_ON];
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
        return await this.#receive(messenger, passing);
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
    passing: ReceiverPassing | undefined,
  ): Promise<FilerError | undefined> {
    const { member, signal } = this.#around;
    const { peer, path, destination, onConflict, checksum, limit } = this.#request;
    this.#connection = messenger.path ?? DIRECT;
    this.#firstFailure = undefined;
    this.#failed = 0;
    this.#wouldGet = 0;
    this.#wouldGetBytes = 0;
    this.#isHere = 0;
    this.#leftOut = 0;
    this.#filesDone = 0;
    this.#bytesDone = 0;
    this.#toldAgain = this.#delivered + this.#skipped;
    const { header, content } = formatFetch({ path, name: destination.name, checksum, limit }, 'fetch');
    await messenger.send(header, content);
    const outcome = await receiveFiles(messenger, {
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
      on: (event) => this.#take(event),
      caughtUp: this.#around.caughtUp,
    });
    this.#bytesReceived += outcome.bytesReceived;
    this.#bytesTotal = Math.max(this.#bytesTotal, outcome.bytesTotal);
    return outcome.error;
  }

  #take(event: ReceiveEvent): void {
    const { emit, signal, member } = this.#around;
    const { folder, name: top } = this.#request.destination;
    const common = { job: this.id, recipient: member.name };
    if (event.type === 'file' && event.result.status !== 'failed') this.#time.progressed();
    if (event.type === 'progress') {
      this.#time.moved(event.bytesReceived);
      const progress: Progress = {
        type: 'progress',
        ...common,
        path: join(folder, event.name),
        fileBytesSent: event.fileBytes,
        fileBytesTotal: event.fileSize,
        bytesSent: this.#bytesReceived + event.bytesReceived,
        bytesDone: this.#bytesDone + event.fileBytes,
        bytesTotal: Math.max(this.#bytesTotal, event.bytesTotal),
        filesDone: this.#filesDone,
        filesTotal: event.filesTotal,
        complete: event.complete,
      };
      this.#progress.note(progress, performance.now());
      const isLast = event.complete && this.#filesDone + 1 >= event.filesTotal;
      this.#throttle.take(progress, isLast && event.fileBytes === event.fileSize);
    }
    if (event.type === 'left-out') return this.#tellLeftOut(event);
    if (event.type !== 'file') return;
    const { name, path, status, size, kept, code, message, failedBy } = event.result;
    // What only fell with its connection is tried again.
    if (failedBy === 'transfer' && isLost(code)) return;
    if (status === 'failed' && signal.aborted) return;
    if (status !== 'failed') {
      this.#filesDone++;
      this.#bytesDone += size;
    }
    if (status === 'skipped' && this.#toldAgain > 0) {
      this.#toldAgain--;
      return;
    }
    const ok = status !== 'failed';
    if (kept === true) this.#kept++;
    if (name === top && path !== undefined) this.#path = join(folder, path);
    const outcome: FileOutcome = {
      type: 'file',
      ...common,
      path: join(folder, path ?? name),
      ok,
      size,
      status,
      reason: status !== 'skipped' ? null : kept === true ? 'kept-theirs' : 'identical',
      code: ok ? null : (code ?? 'internal'),
      message: ok ? null : (message ?? null),
    };
    if (status === 'delivered') this.#delivered++;
    else if (ok) this.#skipped++;
    else {
      this.#failed++;
      this.#firstFailure ??= outcome;
    }
    emit(outcome);
  }

  #tellLeftOut({ name, why: message }: ReceiveEvent & { readonly type: 'left-out' }): void {
    if (++this.#leftOut <= this.#leftOutTold) return; // told on an earlier connection
    this.#leftOutTold++;
    const common = { job: this.id, recipient: this.#around.member.name };
    const outcome = { ok: true, size: 0, status: 'skipped', reason: 'link', code: null } as const;
    const path = join(this.#request.destination.folder, name);
    this.#around.emit({ type: 'file', ...common, path, ...outcome, message });
  }

  #tellWouldGet(entry: Entry): void {
    const { kind, size } = entry;
    const { folder } = this.#request.destination;
    const path = join(folder, entry.path);
    const present = presentHere(path, entry, this.#around.member.digests, this.#request.checksum);
    if (kind !== 'dir' && present === 'identical') this.#isHere++;
    else if (kind !== 'dir') {
      this.#wouldGet++;
      this.#wouldGetBytes += size;
    }
    this.#around.emit({ type: 'would-get', path, kind, size, present });
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
