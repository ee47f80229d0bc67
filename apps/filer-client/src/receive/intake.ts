import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import {
  FilerError,
  makeFolders,
  MAX_TRANSFERS,
  MAX_TRANSFERS_PER_PEER,
  type Membership,
  type Messenger,
  type Offer,
  systemCode,
  writeFailure,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import {
  cleanParts,
  FreeSpace,
  receiveFiles,
  TransferSlots,
  type Cap,
  type ReceivedFile as EngineFile,
  type ReceiveEvent,
} from '@filer/transfer';
import type { IncomingTransfer } from '../api/contract/transfers.ts';
import type { Member } from '../network/member.ts';
import type { AskedOffer, OfferState } from '../store/offer-store.ts';
import { fillPattern } from '../inbox-pattern.ts';
import { ArrivalHook, type ArrivalHookOptions } from './arrival-hook.ts';
import { AskedOffers } from './asked-offers.ts';

/** What one transfer may hold unread, in bytes: with all of them at once it stays within 64 MiB. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** How much is taken. */
export interface ReceiveLimits {
  /** Of all that lies in the inbox. */
  readonly quotaBytes: number | undefined;
  readonly maxFileBytes: number | undefined;
  /** In one transfer. */
  readonly maxFiles: number | undefined;
  readonly keepFreeBytes: number;
}

export interface IntakeOptions {
  readonly member: Member;
  /** Absolute. */
  readonly inbox: string;
  readonly accept: 'members' | 'ask' | 'none';
  readonly limits: ReceiveLimits;
  /** Where in the inbox files go, see inbox-pattern.ts. */
  readonly pattern: string;
  /** Run for each transfer that came. */
  readonly hook: Pick<ArrivalHookOptions, 'command' | 'timeoutMs' | 'environment'> | undefined;
  readonly sync: boolean;
  readonly log: Logger;
}

/** What a file that came takes in the database: in two lists, with their indexes. */
const ROW_BYTES = 2_048;

/** Transfers of one sender that wait until the program here is told of them. */
const MAX_UNTOLD = 1_000;

/** The same of all senders together: then each may have an equal part. */
const MAX_UNTOLD_IN_ALL = 20_000;

const CLEAN_EVERY_MS = 24 * 3_600_000;

/** For so long a transfer goes on in the folder in which it began, in ms. */
const ARRIVAL_KEPT_MS = 30 * 24 * 3_600_000;

const OFFER_PHRASES: Readonly<Record<OfferState, string>> = {
  waiting: 'an offer waits for an answer',
  lost: 'the sender of an offer went away',
  withdrawn: 'an offer was withdrawn',
  declined: 'an offer was declined',
  accepted: 'an offer was accepted',
};

/** Takes in the files of other members: who may, how many at once, where to, and what is noted of them. */
export class TransferIntake {
  readonly #options: IntakeOptions;
  readonly #space: FreeSpace;
  /** What the person here is asked. */
  readonly offers: AskedOffers;
  readonly #slots = new TransferSlots(MAX_TRANSFERS_PER_PEER, MAX_TRANSFERS);
  readonly #stop = new AbortController();
  readonly #running = new Map<Promise<void>, IncomingTransfer>();
  /** Jobs that a person accepted and that come in now, by sender and job. */
  readonly #accepted = new Map<string, { readonly messenger: Messenger; readonly ended: Promise<void> }>();
  readonly #hook: ArrivalHook | undefined;
  readonly #cleaning: NodeJS.Timeout;

  private constructor(options: IntakeOptions) {
    this.#options = options;
    const { inbox, limits } = options;
    this.#space = new FreeSpace(inbox, limits);
    this.offers = new AskedOffers(options.member, (offer) => this.#tellOffer(offer));
    const { member, hook, log } = options;
    const { arrivals } = member;
    arrivals.forgetBefore(member.clock.now() - ARRIVAL_KEPT_MS);
    if (hook !== undefined) this.#hook = new ArrivalHook({ ...hook, inbox, arrivals, log });
    this.#hook?.wake();
    this.#cleaning = setInterval(() => this.#clean(), CLEAN_EVERY_MS);
    this.#cleaning.unref();
  }

  /** Transfers and parts that nobody came back for, on a machine that runs for months. */
  #clean(): void {
    const { inbox, log, member } = this.#options;
    try {
      member.arrivals.forgetBefore(member.clock.now() - ARRIVAL_KEPT_MS);
    } catch (error) {
      log.warn('old transfers were not forgotten', { error });
    }
    cleanParts(inbox, { now: member.clock.now() }).catch((error: unknown) =>
      log.warn('old parts were not removed', { error }),
    );
  }

  /**
   * Makes the inbox if it is not there and removes what killed transfers left in it, but what can be resumed. Hold the home's
   * lock.
   *
   * @throws FilerError `home-not-writable`
   */
  static async open(options: IntakeOptions): Promise<TransferIntake> {
    const { inbox, log, member } = options;
    try {
      makeFolders(inbox, 0o700);
      const removed = await cleanParts(inbox, { uselessOlderThanMs: 0, now: member.clock.now() });
      if (removed > 0) log.info('stale partial files were removed', { files: removed });
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      const otherwise = 'choose another inbox with --inbox';
      throw writeFailure(`the inbox ${inbox} cannot be used`, inbox, error, { otherwise });
    }
    return new TransferIntake(options);
  }

  /** Room for transfers, whichever way they go. */
  get slots(): TransferSlots {
    return this.#slots;
  }

  get incoming(): readonly IncomingTransfer[] {
    return [...this.#running.values()];
  }

  /** Transfers that come in now. */
  get running(): number {
    return this.#running.size;
  }

  /** Serves one connection that a member opened for a transfer, to its end. */
  async take(messenger: Messenger, from: Membership): Promise<void> {
    const { name, id } = from;
    const since = new Date().toISOString();
    const begun = { from: name, fromId: id, since, path: '', bytesReceived: 0, bytesTotal: 0 };
    let running = begun;
    const work: Promise<void> = this.#receive(messenger, from, (event) => {
      if (event.type !== 'progress') return;
      const { name: path, bytesReceived, bytesTotal } = event;
      running = { ...begun, path, bytesReceived, bytesTotal };
      this.#running.set(work, running);
    });
    this.#running.set(work, running);
    const end = this.#options.member.pulse.begin();
    try {
      await work;
    } finally {
      this.#running.delete(work);
      end();
    }
  }

  /** Ends what runs; half files stay for the next try. */
  async close(): Promise<void> {
    clearInterval(this.#cleaning);
    this.#stop.abort(new FilerError('terminated', 'the receiver is stopping'));
    await Promise.allSettled(this.#running.keys());
    await this.#hook?.close();
  }

  async #receive(messenger: Messenger, from: Membership, on: (event: ReceiveEvent) => void): Promise<void> {
    const { member, inbox, limits, sync, log } = this.#options;
    messenger.setMaxUnreadBytes(MAX_UNREAD_BYTES);
    let release = await this.#slots.take(from.id, messenger);
    let asked: string | undefined;
    const ended = Promise.withResolvers<void>();
    try {
      const outcome = await receiveFiles(messenger, {
        keyPair: member.identity,
        network: member.network,
        senderId: from.id,
        inbox,
        folder: (offer) => this.#folderOf(offer, from),
        space: this.#space,
        policy: {
          maxFileBytes: limits.maxFileBytes,
          maxFiles: limits.maxFiles,
          accept: async (offer, asker) => {
            this.#refuseUntold(from);
            member.room.require(0);
            const cap = this.#knownCap(offer, from);
            if (cap === undefined) return undefined;
            if (cap === 'ask') {
              // Who waits for a person takes nobody's turn.
              release();
              asked = offer.job;
              await this.offers.ask(offer, from, join(inbox, this.#folderOf(offer, from)), asker);
              release = await this.#slots.take(from.id, messenger);
            }
            const key = `${from.id} ${offer.job}`;
            await this.#endOther(key);
            this.#accepted.set(key, { messenger, ended: ended.promise });
            void ended.promise.then(() => this.#accepted.delete(key));
            return this.offers.accepted(from.id, offer.job) ?? { files: 0, bytes: 0 };
          },
        },
        sync,
        known: member.digests,
        deliveries: member.deliveries.of(from.id, inbox),
        beganAt: (job) => member.arrivals.beganAt(from.id, job),
        signal: this.#stop.signal,
        on,
        record: (file) => this.#record(file, from),
      });
      if (asked !== undefined) this.offers.left(from.id, asked, isWithdrawn(outcome.error));
      if (this.#hook !== undefined && outcome.error === undefined && outcome.job !== undefined) {
        member.arrivals.done(from.id, outcome.job);
        this.#hook.wake();
      }
      for (const { name, code, message } of outcome.files) {
        if (code !== undefined)
          log.warn('a file was not taken', { from: from.name, name, code, reason: message });
      }
      if (outcome.error !== undefined) {
        log.warn('a transfer ended early', { from: from.name, job: outcome.job, error: outcome.error });
      }
    } finally {
      ended.resolve();
      release();
      await messenger.close();
    }
  }

  /** What two connections brought of one job that was accepted would be twice what was shown: the newer one counts. */
  async #endOther(key: string): Promise<void> {
    for (let other = this.#accepted.get(key); other !== undefined; other = this.#accepted.get(key)) {
      other.messenger.reject(
        new FilerError('connection-closed', 'this job continues over a newer connection'),
      );
      await other.ended;
    }
  }

  /** @throws FilerError `rate-limited` when the program here cannot keep up with what a sender has brought */
  #refuseUntold({ id }: Membership): void {
    const { member } = this.#options;
    if (this.#hook === undefined) return;
    const [theirs, { transfers, senders }] = [member.arrivals.untold(id), member.arrivals.untoldOfAll()];
    const allowed =
      transfers < MAX_UNTOLD_IN_ALL ? MAX_UNTOLD : Math.min(MAX_UNTOLD, MAX_UNTOLD_IN_ALL / senders);
    if (theirs < allowed) return;
    throw new FilerError(
      'rate-limited',
      `${theirs} transfers of yours wait until the program that ${member.name} runs for each was told: try again later`,
    );
  }

  /** What may come of an offer, as far as no person has to be asked. @throws FilerError `declined`, `totals-needed` */
  #knownCap({ job, complete }: Offer, { id }: Membership): Cap | undefined | 'ask' {
    const { accept, member } = this.#options;
    if (accept === 'none')
      throw new FilerError('declined', `${member.name} takes no files (it was started with --accept none)`);
    if (accept === 'members') return undefined;
    const cap = this.offers.accepted(id, job);
    if (cap !== undefined) return cap;
    if (complete) return 'ask';
    throw new FilerError(
      'totals-needed',
      `at ${member.name} a person is asked first, who wants to know how many files come: update filer-client here`,
    );
  }

  /** Where a job's files go: what began in yesterday's folder goes on there. */
  #folderOf({ job, note }: Offer, from: Membership): string {
    const { member, pattern, accept } = this.#options;
    if (accept === 'none') return from.name; // nothing will lie there
    const arrival = { job, note, beganAt: member.clock.stamp() };
    return member.arrivals.folderOf(from, arrival, () => fillPattern(pattern, from.name, new Date()));
  }

  #tellOffer({ id, fromName, from, names, files, bytes, note, state }: AskedOffer): void {
    const { log, member } = this.#options;
    log.info(OFFER_PHRASES[state], { offer: id, from: fromName, files, bytes });
    member.events.publish('offer', {
      id,
      from: fromName,
      fromId: from,
      names,
      files,
      size: bytes,
      note,
      state,
    });
  }

  async #record(file: EngineFile, from: Membership): Promise<void> {
    const { member } = this.#options;
    const wasThere = file.present === true;
    if (wasThere && member.inbox.has(from.id, file.file, file.digest)) return;
    member.room.require(ROW_BYTES);
    const item = {
      id: randomUUID(),
      path: file.file,
      name: file.name,
      size: file.size,
      digest: file.digest,
      note: file.note,
    };
    await member.inbox.add({
      ...item,
      job: file.job,
      from: from.id,
      fromName: from.name,
      receivedAt: member.clock.stamp(),
      state: 'received',
      wasThere,
    });
    member.events.publish('received', { ...item, from: from.name, fromId: from.id });
  }
}

/** Whether the person who sent stopped it: any other end may be followed by another try. */
function isWithdrawn(error: FilerError | undefined): boolean {
  return error?.cause instanceof FilerError && error.cause.code === 'interrupted';
}
