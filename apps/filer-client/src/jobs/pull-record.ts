import type { ReceiptBatch } from '@filer/protocol';
import type { SendOutcome } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import { forgetOldest } from '../store/forget-jobs.ts';
import { NO_COUNTS } from '../api/contract/counts.ts';
import type { FailedFile } from '../store/job-rows.ts';
import { newJobId } from './job-id.ts';
import { DAEMON } from './job-leases.ts';

/** The machine that has fetched: a member, or the ip-server. */
export interface Fetcher {
  readonly id: string;
  readonly name: string;
}

/** Failures that are kept of one fetch. */
const MAX_FAILURES = 100;

/**
 * What somebody fetched, in this machine's own history: a job whose request is of the kind `pull`, with the receipts.
 * It names no paths, since nothing of it can be sent again from here.
 */
export class PullRecord {
  readonly job = newJobId();
  readonly #member: Member;
  readonly #from: Fetcher;
  readonly #path: string;
  readonly #startedAt = Date.now();

  /** @param path `SHARE/path/below` */
  constructor(member: Member, from: Fetcher, path: string) {
    this.#member = member;
    this.#from = from;
    this.#path = path;
  }

  /** Keeps receipts before their files count. @throws FilerError of the database */
  async keep(batch: ReceiptBatch, fileOf: (entry: number) => string): Promise<void> {
    const paths = batch.files.map(({ entry }) => fileOf(entry));
    const { receipts, clock } = this.#member;
    const kept = { job: this.job, peer: this.#from.id, batch, paths, receivedAt: clock.stamp() };
    await receipts.add({ ...kept, isFetch: true });
  }

  /** Notes how it ended. @throws FilerError of the database */
  end({
    ok,
    error,
    files,
    filesDelivered,
    filesSkipped,
    filesKept,
    filesFailed,
    ...bytes
  }: SendOutcome): void {
    const { jobs, network, clock } = this.#member;
    const { id: peer, name } = this.#from;
    const { bytesSent, bytesTotal } = bytes;
    const request = JSON.stringify({ kind: 'pull', path: this.#path, paths: [], to: [name], note: '' });
    jobs.create({ id: this.job, createdAt: this.#startedAt, network, queue: false, request, owner: DAEMON }, [
      { id: peer, name },
    ]);
    jobs.begin(this.job, peer, DAEMON, this.#startedAt);
    const failures = files.flatMap(({ name: path, code, message = '' }): FailedFile[] =>
      code === undefined ? [] : [{ path, code, message }],
    );
    const end = {
      state: ok ? 'delivered' : 'failed',
      code: error?.code ?? failures[0]?.code,
      status:
        error?.message ??
        `${filesDelivered} files fetched, ${filesSkipped} there already, ${filesFailed} failed`,
      counts: {
        ...NO_COUNTS,
        filesSent: filesDelivered,
        filesSkipped,
        filesKept,
        filesFailed,
        bytesSent,
        bytesTotal,
      },
      failures: failures.slice(0, MAX_FAILURES),
    } as const;
    jobs.end(this.job, peer, end, clock.stamp());
  }
}

/**
 * Fetches of one peer that stay in the history, since it decides alone how many there are and how long their paths; and what all
 * peers together may take: each has an equal part of it.
 */
const KEPT_OF_PEER = { jobs: 10_000, bytes: 16 * 1024 * 1024 } as const;
const KEPT_BYTES = 1024 * 1024 * 1024;

/** Forgets the oldest of what a peer fetched. @throws FilerError of the database */
export function forgetOldPulls(member: Member, peer: string): void {
  const { jobs, bytes } = KEPT_OF_PEER;
  const part = KEPT_BYTES / Math.max(1, member.directory.peers().length);
  forgetOldest(member.database, peer, '{"kind":"pull",', { jobs, bytes: Math.min(bytes, part) });
}
