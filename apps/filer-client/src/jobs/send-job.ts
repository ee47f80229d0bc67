import { randomBytes } from 'node:crypto';
import {
  FilerError,
  formatReceipts,
  messageOf,
  type ErrorCode,
  type OnConflict,
  type ReceiptBatch,
} from '@filer/protocol';
import { sendFiles, type SendEvent as EngineEvent } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import { reachForTransfer } from '../network/reach-for-transfer.ts';
import type { ServerAccess } from '../network/server-access.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import { ignoreRules } from './ignore-rules.ts';
import { exitCodeOf } from './outcome.ts';
import type { FileOutcome, RecipientDone, SendDone, SendEvent } from './send-events.ts';

/** What is to be sent to whom. */
export interface SendRequest {
  /** Absolute paths of files and folders on this machine. */
  readonly paths: readonly string[];
  readonly recipients: readonly KnownPeer[];
  readonly note: string;
  /** How long a recipient that was lost half-way is tried again. */
  readonly timeoutMs: number;
  /** Of the files among `paths`; what lies in folders is found while they are sent. */
  readonly bytesTotal: number;
  readonly onConflict: OnConflict;
  readonly checksum: boolean;
  /** Patterns of what in the folders stays here, as in a `.gitignore`. */
  readonly exclude: readonly string[];
}

export interface SendSurroundings {
  readonly member: Member;
  readonly access: ServerAccess;
  readonly software: string;
  /** Gets what goes on; a slow listener holds nothing up. */
  readonly emit: (event: SendEvent) => void;
  readonly signal: AbortSignal;
}

/** The recipient is gone, for now: trying again makes sense. */
const LOSSES: ReadonlySet<ErrorCode> = new Set([
  'connection-closed',
  'connection-silent',
  'timed-out',
  'too-slow',
]);

const RETRY_FIRST_MS = 500;
const RETRY_LONGEST_MS = 5_000;

/** A bar is drawn a few times a second: more progress than that helps nobody. */
const PROGRESS_EVERY_MS = 100;

/** Recipients that are served at the same time; the others wait their turn. */
const RECIPIENTS_AT_ONCE = 16;

/** One job: files to all its recipients, side by side. A slow or dead one holds nobody up. */
export class SendJob {
  readonly id = randomBytes(12).toString('base64url');
  readonly #request: SendRequest;
  readonly #around: SendSurroundings;
  #bytesSent = 0;
  #filesSent = 0;
  #filesSkipped = 0;
  #filesKept = 0;
  #filesFailed = 0;
  #bytesTotal = 0;

  constructor(request: SendRequest, around: SendSurroundings) {
    this.#request = request;
    this.#around = around;
  }

  /** @throws the reason of `signal` when the job was cancelled; all else stands in the result */
  async run(): Promise<SendDone> {
    const { paths, recipients, bytesTotal, note } = this.#request;
    const { member, emit, signal } = this.#around;
    const people = recipients.map(({ id, name }) => ({ id, name }));
    member.jobs.start(this.id, Date.now(), JSON.stringify({ paths, note }), people);
    emit({ type: 'job', job: this.id, files: paths.length, bytesTotal, recipients: people });
    try {
      const results = await this.#serveAll();
      signal.throwIfAborted();
      const exitCode = exitCodeOf(results, this.#filesSent + this.#filesSkipped > 0);
      member.jobs.finish(this.id, exitCode === 0 ? 'done' : 'failed');
      return {
        type: 'done',
        job: this.id,
        ok: exitCode === 0,
        exitCode,
        filesSent: this.#filesSent,
        filesSkipped: this.#filesSkipped,
        filesKept: this.#filesKept,
        filesFailed: this.#filesFailed,
        bytesSent: this.#bytesSent,
        bytesTotal: this.#bytesTotal,
        recipients: results,
      };
    } catch (error) {
      member.jobs.finish(this.id, signal.aborted ? 'cancelled' : 'failed');
      throw error;
    }
  }

  async #serveAll(): Promise<RecipientDone[]> {
    const { recipients } = this.#request;
    const results: RecipientDone[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let index = next++; index < recipients.length; index = next++) {
        const peer = recipients[index];
        if (peer !== undefined) results[index] = await this.#serve(peer);
      }
    };
    await Promise.all(Array.from({ length: Math.min(RECIPIENTS_AT_ONCE, recipients.length) }, worker));
    return results;
  }

  async #serve(peer: KnownPeer): Promise<RecipientDone> {
    const delivery = new Delivery(this.id, peer, this.#request, this.#around);
    const failure = await delivery.run();
    this.#bytesSent += delivery.bytesSent;
    this.#bytesTotal += delivery.bytesTotal;
    this.#filesSent += delivery.delivered;
    this.#filesSkipped += delivery.skipped;
    this.#filesKept += delivery.kept;
    this.#filesFailed += delivery.failed;
    const code = failure?.code ?? null;
    const files = delivery.delivered === 1 ? '1 file' : `${delivery.delivered} files`;
    const there = delivery.skipped - delivery.kept;
    const skipped = there === 0 ? '' : `, ${there} there already`;
    const kept =
      delivery.kept === 0 ? '' : `, ${delivery.kept} not compared: ${peer.name} keeps what is there`;
    const status = failure === undefined ? `${files} delivered${skipped}${kept}` : failure.message;
    this.#around.member.jobs.recipient(this.id, {
      id: peer.id,
      name: peer.name,
      code: code ?? undefined,
      status,
    });
    return { name: peer.name, id: peer.id, ok: failure === undefined, code, status };
  }
}

/** The job's files on their way to one recipient, over as many connections as it takes. */
class Delivery {
  readonly #job: string;
  readonly #peer: KnownPeer;
  readonly #request: SendRequest;
  readonly #around: SendSurroundings;
  /** Paths without a final result: a folder, until a connection brought all of it to an end. */
  readonly #open: Set<string>;
  readonly #failures: FileOutcome[] = [];
  /** Of what lies in folders, on the last connection: the next one tries it again. */
  #inFolders: FileOutcome[] = [];
  /** What was delivered or there of what lies in folders: on the next connection it is there already. */
  #settledInFolders = 0;
  #toldAgain = 0;
  delivered = 0;
  skipped = 0;
  /** Of those that were skipped. */
  kept = 0;
  bytesSent = 0;
  bytesTotal: number;
  #toldAt = 0;
  #toldWaiting = false;

  constructor(job: string, peer: KnownPeer, request: SendRequest, around: SendSurroundings) {
    this.#job = job;
    this.#peer = peer;
    this.#request = request;
    this.#around = around;
    this.#open = new Set(request.paths);
    this.bytesTotal = request.bytesTotal;
  }

  get failed(): number {
    return this.#failures.length + this.#inFolders.length;
  }

  /** @returns why not all was delivered, or undefined */
  async run(): Promise<FilerError | undefined> {
    const { signal, emit } = this.#around;
    let lostAt: number | undefined;
    for (let tries = 0; this.#open.size > 0; tries++) {
      const openBefore = this.#open.size;
      const error = await this.#attempt();
      if (signal.aborted) return error;
      if (error === undefined) this.#open.clear();
      if (error === undefined) break;
      const isLoss = LOSSES.has(error.code) || (tries > 0 && error.code === 'peer-unreachable');
      if (!isLoss) return this.#giveUp(error);
      if (this.#open.size < openBefore) lostAt = undefined;
      lostAt ??= performance.now();
      const pauseMs = Math.min(RETRY_FIRST_MS * 2 ** tries, RETRY_LONGEST_MS);
      if (performance.now() + pauseMs - lostAt > this.#request.timeoutMs) {
        const seconds = Math.round(this.#request.timeoutMs / 1000);
        return this.#giveUp(
          new FilerError(
            'timed-out',
            `${this.#peer.name} was lost half-way and did not come back within ${seconds} s (${error.message}): send again when it is online`,
            { cause: error },
          ),
        );
      }
      if (tries === 0)
        emit({ type: 'retry', job: this.#job, recipient: this.#peer.name, reason: error.message });
      await pause(pauseMs, signal);
    }
    const first = this.#failures[0] ?? this.#inFolders[0];
    if (first === undefined) return undefined;
    const arrived = this.delivered + this.skipped;
    const some = arrived > 0;
    const count = this.failed;
    return new FilerError(
      some ? 'partial' : (first.code ?? 'internal'),
      some ? `${count} of ${count + arrived} files failed` : (first.message ?? 'failed'),
    );
  }

  /** One connection. @returns why it ended early, or undefined */
  async #attempt(): Promise<FilerError | undefined> {
    const { member, signal } = this.#around;
    const { note, onConflict, checksum, exclude } = this.#request;
    this.#inFolders = [];
    this.#toldAgain = this.#settledInFolders;
    try {
      const messenger = await reachForTransfer(this.#around, this.#peer, this.#request.bytesTotal, signal);
      try {
        const outcome = await sendFiles(messenger, {
          files: [...this.#open].map((file) => ({ file })),
          network: member.network,
          senderId: member.id,
          receiverId: this.#peer.id,
          job: this.#job,
          note,
          onConflict,
          checksum,
          known: member.digests,
          ignored: ignoreRules(exclude),
          signal,
          on: (event) => this.#take(event),
          keep: (receipts, fileOf) => this.#keep(receipts, fileOf),
        });
        this.bytesSent += outcome.bytesSent;
        this.bytesTotal = Math.max(this.bytesTotal, outcome.bytesTotal);
        return outcome.error;
      } finally {
        await messenger.close();
      }
    } catch (error) {
      if (signal.aborted) return undefined;
      if (error instanceof FilerError) return error;
      throw error;
    }
  }

  #take(event: EngineEvent): void {
    const { emit } = this.#around;
    const common = { job: this.#job, recipient: this.#peer.name };
    if (event.type === 'progress') {
      const now = performance.now();
      const { bytesDone, bytesTotal, filesDone, filesTotal, complete } = event;
      const whole = complete && filesDone === filesTotal;
      if (now - this.#toldAt < PROGRESS_EVERY_MS && !whole) return;
      this.#toldAt = now;
      emit({
        type: 'progress',
        ...common,
        path: event.file,
        fileBytesSent: event.fileBytes,
        fileBytesTotal: event.fileSize,
        bytesSent: this.bytesSent + event.bytesSent,
        bytesDone,
        bytesTotal: Math.max(this.bytesTotal, bytesTotal),
        filesDone,
        filesTotal,
        complete,
      });
    }
    if (event.type === 'waiting' && !this.#toldWaiting) {
      this.#toldWaiting = true;
      emit({ type: 'waiting', ...common, recipientId: this.#peer.id });
    }
    if (event.type !== 'file') return;
    const { status, size, kept, code, message } = event.result;
    const file = event.file;
    // A file that only fell with its connection is tried again.
    if (status === 'failed' && code !== undefined && LOSSES.has(code)) return;
    if (this.#around.signal.aborted && status === 'failed') return;
    const isNamed = this.#open.delete(file);
    if (!isNamed && status === 'skipped' && this.#toldAgain > 0) {
      this.#toldAgain--; // counted when it came, before the connection was lost
      return;
    }
    if (!isNamed && status !== 'failed') this.#settledInFolders++;
    const reason = status !== 'skipped' ? null : kept === true ? 'kept-theirs' : 'identical';
    const outcome = {
      type: 'file',
      ...common,
      path: file,
      ok: status !== 'failed',
      size,
      status,
      reason,
    } as const;
    if (status === 'failed')
      this.#fail({ ...outcome, code: code ?? 'internal', message: message ?? null }, isNamed);
    else {
      if (status === 'delivered') this.delivered++;
      else this.skipped++;
      if (kept === true) this.kept++;
      emit({ ...outcome, code: null, message: null });
    }
  }

  #fail(outcome: FileOutcome, isNamed: boolean): void {
    (isNamed ? this.#failures : this.#inFolders).push(outcome);
    this.#around.emit(outcome);
  }

  /** What is still open fails for one reason. @returns that reason */
  #giveUp(error: FilerError): FilerError {
    const common = {
      type: 'file',
      job: this.#job,
      recipient: this.#peer.name,
      ok: false,
      size: 0,
      status: 'failed',
      reason: null,
    } as const;
    for (const path of this.#open) {
      this.#failures.push({ ...common, path, code: error.code, message: messageOf(error) });
    }
    this.#open.clear();
    return error;
  }

  #keep(batch: ReceiptBatch, fileOf: (entry: number) => string): void {
    const { member, emit } = this.#around;
    member.jobs.addReceipts(this.#job, this.#peer.id, Date.now(), formatReceipts(batch).content.toString());
    for (const file of batch.files) {
      emit({
        type: 'receipt',
        job: this.#job,
        recipient: this.#peer.name,
        recipientId: this.#peer.id,
        path: fileOf(file.entry),
        receivedAs: file.path,
        size: file.size,
        digest: file.digest,
        synced: file.synced,
        present: file.present === true,
        time: new Date(batch.time).toISOString(),
      });
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
