import { Semaphore, type Turn, FilerError, messageOf, type ErrorCode } from '@filer/protocol';
import type { Logger } from '@filer/program';
import { lowestOf, RateLimit, RelayRace, SharedReads, type Growing } from '@filer/transfer';
import type { Outreach } from '../network/outreach.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import { sumOf, type DeliveryCounts } from '../api/contract/counts.ts';
import { type DeliveryEnd, type KeptDelivery, type KeptJob } from '../store/job-rows.ts';
import { Delivery, type DeliveryOptions } from './delivery.ts';
import type { ProgressDocument } from '../api/contract/transfers.ts';
import { earlierRecipients } from './earlier-recipients.ts';
import { exitCodeOf } from './outcome.ts';
import type { RecipientDone, SendDone, SendEvent } from '../api/contract/send.ts';
import { parseKeptRequest, waysOf, type SendRequest } from '../jobs/send-request.ts';
import { interruption } from '../jobs/job-leases.ts';
import { endOf, type StopReason } from '../jobs/stopped.ts';
import type { TransferTurns } from './job-turns.ts';
import { withRemedy } from '../jobs/remedy.ts';
import { isPassing } from '../jobs/while-lost.ts';

/**
 * Recipients of one job that are sent its content at the same time; the others wait their turn. One that gets it of others
 * leaves its place: it costs the sender digests, and no content.
 */
const RECIPIENTS_AT_ONCE = 16;

/** Recipients of one job in all, also those that get it of others: a longer chain takes more time than a second one after it. */
const IN_A_RACE_AT_ONCE = 256;

/** A job to so many is passed on from one recipient to the next. */
const PASS_ON_FROM_RECIPIENTS = 2;

export interface LiveJobParts {
  readonly outreach: Outreach;
  readonly log: Logger;
  /** This process, as it is noted at what it runs. */
  readonly owner: string;
  /** Room for deliveries of all jobs together. */
  readonly turns: TransferTurns;
  /** Tells of the path that is sent, while it is still being written. */
  readonly growing?: Growing | undefined;
  /** Whether the process that ran it before this one was killed. @default false */
  readonly wasCutOff?: boolean;
  /** Told how it went to reach a recipient. */
  readonly onTried: (peerId: string, reached: boolean) => void;
  /** Called when a recipient is no longer served; must not throw. */
  readonly onServed: (peerId: string) => void;
}

/** A job that this process runs: files to its recipients, side by side. A slow or dead one holds no one up. */
export class LiveJob {
  readonly job: KeptJob;
  readonly request: SendRequest;
  readonly #parts: LiveJobParts;
  readonly #followers = new Set<(event: SendEvent) => void>();
  readonly #turns = new Semaphore(RECIPIENTS_AT_ONCE);
  readonly #places = new Semaphore(IN_A_RACE_AT_ONCE);
  readonly #shared: DeliveryOptions['shared'];
  readonly #race: RelayRace | undefined;
  readonly #stop = new AbortController();
  readonly #serving = new Map<string, Promise<void>>();
  readonly #deliveries = new Map<string, Delivery>();
  /** Of recipients that were served here: how they stand. */
  readonly #results = new Map<string, RecipientDone>();
  readonly #counts: DeliveryCounts[] = [];
  /** Bytes that went from here to those that were served, by their ids. */
  readonly #fromHere = new Map<string, number>();
  #stopReason: StopReason | undefined;
  #fault: Error | undefined;

  constructor(job: KeptJob, parts: LiveJobParts) {
    this.job = job;
    this.request = parseKeptRequest(job.request);
    this.#parts = parts;
    const { limit } = this.request;
    const { member } = parts.outreach;
    const recipients = member.jobs.deliveries(job.id).map(({ peer }) => peer);
    const isToMany = recipients.length > 1;
    if (recipients.length >= PASS_ON_FROM_RECIPIENTS && waysOf(this.request) === 'any')
      this.#race = new RelayRace(
        member.passOnFromBytes,
        member.recipientRates,
        recipients,
        earlierRecipients(job.id, parts.outreach),
      );
    this.#shared = {
      reads: isToMany ? new SharedReads() : undefined,
      limit: lowestOf(limit === undefined ? undefined : new RateLimit(limit), member.limits.send),
    };
  }

  /** @param follower must not throw @returns what ends the following */
  follow(follower: (event: SendEvent) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  isServing(peerId: string): boolean {
    return this.#serving.has(peerId);
  }

  get isStopped(): boolean {
    return this.#stopReason !== undefined;
  }

  get isIdle(): boolean {
    return this.#serving.size === 0;
  }

  /** How far the deliveries are that run now. */
  get running(): { readonly job: string; readonly peer: string; readonly counts: DeliveryCounts }[] {
    return [...this.#deliveries].map(([peer, { counts }]) => ({ job: this.job.id, peer, counts }));
  }

  /** How far it is to a recipient; null before it is under way. */
  progressOf(peerId: string): ProgressDocument | null {
    return this.#deliveries.get(peerId)?.progress ?? null;
  }

  /** Begins to serve a recipient; `ended` tells when it has been. */
  serve(peer: KnownPeer): void {
    if (this.#serving.has(peer.id)) return;
    const work = this.#serve(peer).finally(() => {
      this.#serving.delete(peer.id);
      this.#parts.onServed(peer.id);
    });
    this.#serving.set(peer.id, work);
  }

  /** Notes how a recipient stands that is not served now: it waits, or never can be. */
  settle({ id, name }: Pick<KnownPeer, 'id' | 'name'>, end: DeliveryEnd): void {
    const { state, code = null, status } = end;
    const ok = state === 'delivered' || state === 'queued';
    // What made it wait is told as `queued`, and is no failure.
    const via = {
      ...this.#viaOf(id, end.counts?.bytesSent ?? 0),
      ...(end.path === undefined ? {} : { connection: end.path }),
    };
    this.#fromHere.set(id, end.counts?.bytesSent ?? 0);
    this.#results.set(id, { name, id, ok, state, code: ok ? null : code, status, ...via });
    const { jobs, clock } = this.#parts.outreach.member;
    jobs.end(this.job.id, id, end, clock.stamp());
    const about = { job: this.job.id, recipient: name, recipientId: id };
    if (state === 'queued') this.#emit({ type: 'queued', ...about, reason: status });
    else this.#emit({ type: 'recipient', ...about, ok, state, code: ok ? null : code, status, ...via });
  }

  /** What a recipient got of others. */
  #viaOf(peerId: string, fromSender: number): Pick<RecipientDone, 'via' | 'fromSender'> {
    if (this.#race?.isPassedOn !== true) return {};
    const via = this.#race.via(peerId);
    if (via.length === 0) return { fromSender };
    const { directory } = this.#parts.outreach.member;
    return {
      fromSender,
      via: via.map(({ peer: id, bytes }) => ({ name: directory.byId(id)?.name ?? id, id, bytes })),
    };
  }

  /** Stops what runs; half files stay at the receivers. */
  stop(reason: StopReason): void {
    this.#stopReason ??= reason;
    const continues = reason === 'leaving' || reason === 'paused';
    // Noted at once: a job that was given up does not continue, even if this process is killed before it has ended.
    const { jobs, clock } = this.#parts.outreach.member;
    if (reason !== 'leaving')
      jobs.endAll(this.job.id, ['queued', 'running'], endOf(reason, this.job.id), clock.stamp());
    this.#stop.abort(
      new FilerError(
        continues ? 'terminated' : 'interrupted',
        `the sender ${reason === 'leaving' ? 'stops' : reason === 'paused' ? 'paused' : 'cancelled'}`,
      ),
    );
  }

  /** Resolves when no one is served any more. @throws a bug */
  async ended(): Promise<SendDone> {
    while (this.#serving.size > 0) await Promise.all(this.#serving.values());
    this.#race?.[Symbol.dispose]();
    if (this.#fault !== undefined) throw this.#fault;
    return this.#done();
  }

  /** Tells the followers what the job is. */
  announce(): void {
    const recipients = this.#deliveriesKept().map(({ peer: id, name }) => ({ id, name }));
    const { paths, bytesTotal, queue } = this.request;
    this.#emit({ type: 'job', job: this.job.id, files: paths.length, bytesTotal, queue, recipients });
  }

  /** Never rejects: what failed stands in the results. */
  async #serve(peer: KnownPeer): Promise<void> {
    try {
      const { turns } = this.#parts;
      const { signal } = this.#stop;
      const deliver = (held: readonly Turn[], leavePlaces: () => void): Promise<void> =>
        this.#deliver(peer, held, leavePlaces);
      const work = (): Promise<void> =>
        this.#places.take(() => turns.take(peer.id, this.#turns, deliver, signal), signal);
      const { watch } = this.request;
      // An older version of a file must not take its place after a newer one.
      if (watch === 0) await work();
      else await turns.inOrder.take(`${watch} ${peer.id}`, work, signal);
    } catch (error) {
      const failure = error instanceof FilerError ? error : new FilerError('internal', messageOf(error));
      if (!(error instanceof FilerError)) this.#fault ??= error instanceof Error ? error : failure;
      this.#parts.log.error('a job cannot continue', { job: this.job.id, recipient: peer.name, error });
      const { code, message: status } = failure;
      this.#results.set(peer.id, { name: peer.name, id: peer.id, ok: false, state: 'failed', code, status });
    }
  }

  async #deliver(peer: KnownPeer, turns: readonly Turn[], leavePlaces: () => void): Promise<void> {
    const { outreach, owner, onTried } = this.#parts;
    if (this.#stopReason !== undefined) {
      this.settle(peer, this.#stopped());
      return;
    }
    const { id } = this.job;
    let reached = false;
    const emit = (event: SendEvent): void => {
      if (!reached && event.type !== 'retry') onTried(peer.id, (reached = true));
      this.#emit(event);
    };
    const [request, shared] = [this.request, this.#shared];
    if (!outreach.member.jobs.begin(id, peer.id, owner, Date.now())) {
      // Another process of this home cancelled it, or serves it: what the database says is how it stands.
      this.#results.delete(peer.id);
      return;
    }
    const delivery = new Delivery({
      job: id,
      peer,
      request,
      shared,
      race: this.#race,
      growing: this.#parts.growing,
      wasLost: this.#parts.wasCutOff === true,
      outreach,
      emit,
      signal: this.#stop.signal,
      turns,
      joined: leavePlaces,
    });
    this.#deliveries.set(peer.id, delivery);
    const ends = outreach.member.pulse.begin();
    try {
      const failure = await delivery.run();
      const end = { ...this.#endOf(peer, failure, delivery), path: delivery.path };
      onTried(peer.id, end.state !== 'queued');
      this.#counts.push({ ...delivery.ownCounts, filesFailed: end.counts?.filesFailed ?? 0 });
      this.settle(peer, end);
    } finally {
      this.#deliveries.delete(peer.id);
      ends();
    }
  }

  #endOf(peer: KnownPeer, failure: FilerError | undefined, { counts, failures }: Delivery): DeliveryEnd {
    if (this.#stopReason !== undefined) return { ...this.#stopped(), counts, failures };
    if (failure === undefined) {
      const { filesSent, filesSkipped, filesKept, filesRemoved, linksLeftOut } = counts;
      const files = filesSent === 1 ? '1 file' : `${filesSent} files`;
      const how = this.request.stage ? 'staged' : 'delivered';
      const there = filesSkipped - filesKept;
      const skipped = there === 0 ? '' : `, ${there} there already`;
      const kept = filesKept === 0 ? '' : `, ${filesKept} not compared: ${peer.name} keeps what is there`;
      const left = linksLeftOut === 0 ? '' : `, ${linkCount(linksLeftOut)} not sent`;
      const removed = filesRemoved === 0 ? '' : `, ${filesRemoved} removed there`;
      const status = `${files} ${how}${skipped}${kept}${removed}${left}`;
      return { state: 'delivered', code: undefined, status, counts };
    }
    const { code, message } = failure;
    // Nothing has failed for good.
    if (this.job.queue && isPassing(code))
      return { state: 'queued', code, status: message, counts: { ...counts, filesFailed: 0 } };
    this.#parts.log.warn('a delivery failed', { job: this.job.id, recipient: peer.name, error: failure });
    const status = withRemedy(failure, this.job.id, peer.name, this.request.watch === 0);
    return { state: 'failed', code, status, counts, failures };
  }

  #stopped(): DeliveryEnd {
    const reason = this.#stopReason;
    if (reason !== undefined && reason !== 'leaving') return endOf(reason, this.job.id);
    return this.job.queue
      ? { state: 'queued', code: undefined, status: 'continues when `filer-client start` runs here' }
      : interruption(this.job.id, this.#parts.owner);
  }

  #done(): SendDone {
    const recipients = this.#deliveriesKept().map((kept) => {
      const done = this.#results.get(kept.peer) ?? doneOf(kept);
      const fromHere = this.#fromHere.get(kept.peer);
      // One that ended first was told before anything was passed on.
      return fromHere === undefined ? done : { ...done, ...this.#viaOf(kept.peer, fromHere) };
    });
    const counts = sumOf(this.#counts);
    const exitCode = exitCodeOf(recipients, counts.filesSent + counts.filesSkipped > 0);
    return {
      type: 'done',
      job: this.job.id,
      ok: exitCode === 0,
      exitCode,
      ...counts,
      recipients,
    };
  }

  #deliveriesKept(): KeptDelivery[] {
    return this.#parts.outreach.member.jobs.deliveries(this.job.id);
  }

  #emit(event: SendEvent): void {
    for (const follower of this.#followers) follower(event);
  }
}

function linkCount(links: number): string {
  return links === 1 ? '1 link' : `${links} links`;
}

/** How a recipient stands that was not served in this run. */
function doneOf({ peer: id, name, state, code, status }: KeptDelivery): RecipientDone {
  // What runs now is run by another process of this home.
  const ok = state === 'delivered' || state === 'queued' || state === 'running';
  return { name, id, ok, state, code: ok ? null : (code ?? codeOf(state)), status };
}

function codeOf(state: KeptDelivery['state']): ErrorCode {
  if (state === 'interrupted') return 'terminated';
  return state === 'cancelled' || state === 'paused' ? 'interrupted' : 'internal';
}
