import { FilerError } from '@filer/protocol';
import * as v from 'valibot';
import { getParams, type GetDone, type GetParams } from '../api/contract/get.ts';
import type { Member } from '../network/member.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { DeliveryEnd, KeptJob } from '../store/job-rows.ts';
import { newJobId } from './job-id.ts';
import { endOf, type Halt } from './stopped.ts';
import { interruption } from './job-leases.ts';
import { withRemedy } from './remedy.ts';

/** What keeps gets, and knows which jobs run. */
interface Surroundings {
  readonly member: Member;
  readonly jobs: {
    /** This process, as it is noted at what it runs. */
    readonly owner: string;
    /** Has a job that ended wait for its turn again. @throws FilerError `usage` when it runs */
    reopen(id: string): void;
    readonly alongside: {
      /** Notes a job of this process until it is disposed of. @param stop called when somebody cancels or pauses it */
      begin(id: string, stop: (why: Halt) => void): Disposable;
    };
  };
}

/**
 * A get as it is kept with the jobs of this home: it is listed, can be repeated, and a daemon continues what the one before it was stopped in. Its
 * one recipient in the database is the machine that it fetches from.
 */
export class KeptGet implements Disposable {
  readonly id: string;
  /** Aborted when somebody cancels or pauses it. */
  readonly signal: AbortSignal;
  readonly #around: Surroundings;
  readonly #stop = new AbortController();
  readonly #alongside: Disposable;
  #halted: Halt = 'cancelled';
  #peer: Pick<KnownPeer, 'id' | 'name'> | undefined;

  /** @param again the id of a get that is repeated @throws FilerError `usage` when it runs, `no-such-job` */
  constructor(around: Surroundings, again: string | undefined) {
    const { jobs, member } = around;
    if (again !== undefined) {
      jobs.reopen(again);
      const [from] = member.jobs.deliveries(again);
      if (from !== undefined) this.#peer = { id: from.peer, name: from.name };
    }
    this.id = again ?? newJobId();
    this.signal = this.#stop.signal;
    this.#around = around;
    this.#alongside = jobs.alongside.begin(this.id, (why) => {
      this.#halted = why;
      this.#stop.abort(new FilerError('interrupted', `${why} here`));
    });
  }

  /** Keeps it on disk. */
  begin(peer: KnownPeer, params: GetParams): void {
    const { member, jobs } = this.#around;
    const { id } = this;
    const now = Date.now();
    if (this.#peer === undefined) {
      const request = JSON.stringify({ kind: 'get', paths: [params.dest], to: [], params });
      const kept = { id, createdAt: now, network: member.network, queue: false, request, owner: jobs.owner };
      member.jobs.create(kept, [peer]);
    }
    this.#peer = peer;
    member.jobs.begin(id, peer.id, jobs.owner, now);
  }

  /** Notes how it ended. @returns what to tell, with what to type next */
  end(done: GetDone): GetDone {
    const [recipient] = done.recipients;
    const { ok, code, status: words } = recipient;
    const failure = code === null ? undefined : new FilerError(code, words);
    const status = failure === undefined ? words : withRemedy(failure, this.id, done.from.name, false);
    this.#end({
      state: ok ? 'delivered' : 'failed',
      code: code ?? undefined,
      status,
      counts: done,
      path: recipient.connection,
    });
    return { ...done, recipients: [{ ...recipient, status }] };
  }

  /** Notes that it did not end by itself. */
  fail(error: unknown): void {
    const known = error instanceof FilerError ? error : undefined;
    if (this.signal.aborted || known?.code === 'interrupted' || known?.code === 'connection-closed')
      this.#end(endOf(this.#halted, this.id));
    else if (known?.code === 'terminated') this.#end(interruption(this.id, this.#around.jobs.owner));
    else this.#end({ state: 'failed', code: known?.code ?? 'internal', status: known?.message ?? 'failed' });
  }

  [Symbol.dispose](): void {
    this.#alongside[Symbol.dispose]();
  }

  #end(end: DeliveryEnd): void {
    const { member } = this.#around;
    if (this.#peer !== undefined) member.jobs.end(this.id, this.#peer.id, end, member.clock.stamp());
  }
}

/** The part of a kept job that says that it is a get. */
const kept = v.object({ kind: v.literal('get'), params: getParams });

/** What a kept job fetches; undefined for one that fetches nothing. */
export function keptGet({ id, request }: Pick<KeptJob, 'id' | 'request'>): GetParams | undefined {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), kept), request);
  return parsed.success ? { ...parsed.output.params, job: id } : undefined;
}
