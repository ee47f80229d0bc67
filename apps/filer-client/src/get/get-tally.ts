import { join } from 'node:path';
import { FilerError, type Entry } from '@filer/protocol';
import { ProgressThrottle } from '@filer/program';
import type { FileResult, ReceiveEvent, ReceiveOutcome } from '@filer/transfer';
import type { GetDone } from '../api/contract/get.ts';
import type { FileOutcome, Progress } from '../api/contract/send.ts';
import type { ProgressDocument } from '../api/contract/transfers.ts';
import { LiveProgress } from '../jobs/live-progress.ts';
import type { TimeLimit } from '../jobs/time-limit.ts';
import { isLost } from '../jobs/while-lost.ts';
import type { GetRequest, GetSurroundings } from './get-request.ts';
import { presentHere } from './present-here.ts';

/** So many bytes count as having got on. */
const STEP_BYTES = 1024 * 1024;

type Counts = Pick<
  GetDone,
  | 'filesSent'
  | 'filesSkipped'
  | 'filesKept'
  | 'filesFailed'
  | 'filesRemoved'
  | 'linksLeftOut'
  | 'bytesSent'
  | 'bytesTotal'
  | 'dryRun'
  | 'filesTotal'
>;

/** What came of a get, over all its connections: counted, and told as it happens. */
export class GetTally {
  readonly #request: GetRequest;
  readonly #around: Pick<GetSurroundings, 'member' | 'emit' | 'signal'>;
  readonly #time: TimeLimit;
  readonly #progress = new LiveProgress();
  readonly #throttle = new ProgressThrottle<Progress>((progress) => this.#around.emit(progress));
  /** Where it is, once it does: its name may have been taken. */
  #path: string;
  #delivered = 0;
  #skipped = 0;
  /** Those of the skipped whose name another content keeps here. */
  #kept = 0;
  /** Whether the peer announced what was asked for. */
  wasAnnounced = false;
  /** What earlier connections brought is there already, and was counted. */
  #toldAgain = 0;
  #leftOutTold = 0;
  #bytesReceived = 0;
  #bytesTotal = 0;
  #last = new OfConnection();

  constructor(
    request: GetRequest,
    around: Pick<GetSurroundings, 'member' | 'emit' | 'signal'>,
    time: TimeLimit,
  ) {
    this.#request = request;
    this.#around = around;
    this.#time = time;
    this.#path = join(request.destination.folder, request.destination.name);
  }

  get path(): string {
    return this.#path;
  }

  get progress(): ProgressDocument | null {
    return this.#progress.at(performance.now());
  }

  /** Files that are here by now. */
  get arrived(): number {
    return this.#delivered + this.#skipped;
  }

  /** Grows whenever the get has got on. */
  get steps(): number {
    return Math.floor(this.#bytesReceived / STEP_BYTES) + this.arrived;
  }

  get counts(): Counts {
    const { dryRun } = this.#request;
    const { failed, leftOut, wouldGet, wouldGetBytes, isHere } = this.#last;
    return {
      filesSent: this.#delivered,
      filesSkipped: this.#skipped + isHere,
      filesKept: this.#kept,
      filesFailed: failed,
      filesRemoved: 0,
      linksLeftOut: leftOut,
      bytesSent: this.#bytesReceived,
      bytesTotal: dryRun ? wouldGetBytes : this.#bytesTotal,
      ...(dryRun ? { dryRun: true, filesTotal: wouldGet } : {}),
    };
  }

  get inWords(): string {
    if (this.#request.dryRun) return 'nothing was fetched (--dry-run)';
    const files = this.#delivered === 1 ? '1 file' : `${this.#delivered} files`;
    const here = this.#skipped - this.#kept;
    const skipped = here === 0 ? '' : `, ${here} here already`;
    const kept = this.#kept === 0 ? '' : `, ${this.#kept} not compared: what is here is kept`;
    return `${files} fetched${skipped}${kept}`;
  }

  /** Why not all of it came, as far as files tell. */
  failure(): FilerError | undefined {
    const first = this.#last.firstFailure;
    if (first === undefined && !this.wasAnnounced) {
      const { peer, path } = this.#request;
      return new FilerError(
        'unexpected-message',
        `${peer.name} sent nothing of ${JSON.stringify(path)}: ask there`,
      );
    }
    if (first === undefined) return undefined;
    const { arrived } = this;
    if (arrived === 0) return new FilerError(first.code ?? 'internal', first.message ?? 'failed');
    const failed = this.#last.failed;
    return new FilerError('partial', `${failed} of ${failed + arrived} files failed`);
  }

  /** A connection begins: it tells again what the last one has told. */
  begin(): void {
    this.#last = new OfConnection();
    this.#toldAgain = this.arrived;
  }

  /** A connection has ended. */
  end({ bytesReceived, bytesTotal }: Pick<ReceiveOutcome, 'bytesReceived' | 'bytesTotal'>): void {
    this.#bytesReceived += bytesReceived;
    this.#bytesTotal = Math.max(this.#bytesTotal, bytesTotal);
  }

  /** Nothing is told from now on. */
  stop(): void {
    this.#throttle.stop();
  }

  take(event: ReceiveEvent): void {
    if (event.type === 'progress') this.#tellProgress(event);
    else if (event.type === 'left-out') this.#tellLeftOut(event);
    else if (event.type === 'file') this.#takeResult(event.result);
  }

  #tellProgress(event: ReceiveEvent & { readonly type: 'progress' }): void {
    this.#time.moved(event.bytesReceived);
    const progress: Progress = {
      type: 'progress',
      job: this.#request.id,
      recipient: this.#around.member.name,
      path: join(this.#request.destination.folder, event.name),
      fileBytesSent: event.fileBytes,
      fileBytesTotal: event.fileSize,
      bytesSent: this.#bytesReceived + event.bytesReceived,
      bytesDone: this.#last.bytesDone + event.fileBytes,
      bytesTotal: Math.max(this.#bytesTotal, event.bytesTotal),
      filesDone: this.#last.filesDone,
      filesTotal: event.filesTotal,
      complete: event.complete,
    };
    this.#progress.note(progress, performance.now());
    const isLast = event.complete && this.#last.filesDone + 1 >= event.filesTotal;
    this.#throttle.take(progress, isLast && event.fileBytes === event.fileSize);
  }

  #takeResult(result: FileResult): void {
    const { emit, signal, member } = this.#around;
    const { folder, name: top } = this.#request.destination;
    const { name, path, status, size, kept, code, message, failedBy } = result;
    if (status !== 'failed') this.#time.progressed();
    // What only fell with its connection is tried again.
    if (failedBy === 'transfer' && isLost(code)) return;
    if (status === 'failed' && signal.aborted) return;
    if (status !== 'failed') {
      this.#last.filesDone++;
      this.#last.bytesDone += size;
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
      job: this.#request.id,
      recipient: member.name,
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
      this.#last.failed++;
      this.#last.firstFailure ??= outcome;
    }
    emit(outcome);
  }

  #tellLeftOut({ name, why: message }: ReceiveEvent & { readonly type: 'left-out' }): void {
    if (++this.#last.leftOut <= this.#leftOutTold) return; // told on an earlier connection
    this.#leftOutTold++;
    const common = { job: this.#request.id, recipient: this.#around.member.name };
    const outcome = { ok: true, size: 0, status: 'skipped', reason: 'link', code: null } as const;
    const path = join(this.#request.destination.folder, name);
    this.#around.emit({ type: 'file', ...common, path, ...outcome, message });
  }

  /** Of a dry run: an entry that was announced. */
  wouldGet(entry: Entry): void {
    const { kind, size } = entry;
    const { folder } = this.#request.destination;
    const path = join(folder, entry.path);
    const present = presentHere(path, entry, this.#around.member.digests, this.#request.checksum);
    if (kind !== 'dir' && present === 'identical') this.#last.isHere++;
    else if (kind !== 'dir') {
      this.#last.wouldGet++;
      this.#last.wouldGetBytes += size;
    }
    this.#around.emit({ type: 'would-get', path, kind, size, present });
  }
}

/** What counts for one connection: the next one tries again what failed. */
class OfConnection {
  firstFailure: FileOutcome | undefined;
  failed = 0;
  /** Links that stay there. */
  leftOut = 0;
  /** Files that are here, and their bytes. */
  filesDone = 0;
  bytesDone = 0;
  /** Of a dry run: files and links that would come, their bytes, and those that are here. */
  wouldGet = 0;
  wouldGetBytes = 0;
  isHere = 0;
}
