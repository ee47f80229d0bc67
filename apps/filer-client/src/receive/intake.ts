import { movedOn } from '../jobs/over-best-path.ts';
import { join } from 'node:path';
import {
  FilerError,
  MAX_TRANSFERS,
  MAX_TRANSFERS_PER_PEER,
  type Membership,
  type Messenger,
  type StageHook,
} from '@filer/protocol';
import type { Environment, Logger } from '@filer/program';
import {
  FreeSpace,
  receiveFiles,
  tellExtras,
  ParallelReceiving,
  TransferSlots,
  type Channel,
  type ReceiveEvent,
  type ReceivePolicy,
} from '@filer/transfer';
import type { IncomingTransfer } from '../api/contract/transfers.ts';
import type { Member } from '../network/member.ts';
import { mostParallel } from '../network/open-parallel.ts';
import type { ClientSettings } from '../settings.ts';
import type { AskedOffer, OfferState } from '../store/offer-store.ts';
import { ArrivalHook } from './arrival-hook.ts';
import { AskedOffers } from './asked-offers.ts';
import { foreseenRefusals } from './foreseen-refusals.ts';
import { recordInInbox, recordRemoved } from './inbox-record.ts';
import { keepInbox } from './inbox-upkeep.ts';
import { IncomingJobs } from './incoming-jobs.ts';
import type { PassingOn } from '../jobs/passing-on.ts';
import { OfferRules } from './offer-rules.ts';
import { StageSwitch } from './stage/stage-switch.ts';
import { StageUpkeep } from './stage/stage-upkeep.ts';
import { Stages } from './stage/stages.ts';

/** What one transfer may hold unread, in bytes: with all of them at once it stays within 64 MiB. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** What the sender of a release is told whose program was to run, and is not set any more. */
const NOT_SET: StageHook = { state: 'failed', exitCode: null, line: 'on-received is not set there any more' };

export interface IntakeOptions {
  readonly member: Member;
  /** Absolute. */
  readonly inbox: string;
  readonly settings: ClientSettings;
  /** What the program that is run for each transfer may see of it. */
  readonly environment: Environment;
  readonly log: Logger;
}

/** What the sender's side of a connection knows. */
export interface KnownOfTransfers {
  /** What its blocks are handed on by. @default they are not */
  readonly passesOn?: PassingOn | undefined;
  /** Whether it may use several connections. @default false */
  readonly isParallel?: boolean;
}

const OFFER_PHRASES: Readonly<Record<OfferState, string>> = {
  waiting: 'an offer waits for an answer',
  lost: 'the sender of an offer went away',
  withdrawn: 'an offer was withdrawn',
  declined: 'an offer was declined',
  accepted: 'an offer was accepted',
};

/** Takes in the files of other members, so many at once. */
export class TransferIntake {
  /** What the person here is asked. */
  readonly offers: AskedOffers;
  /** Room for transfers, whichever way they go. */
  readonly slots = new TransferSlots(MAX_TRANSFERS_PER_PEER, MAX_TRANSFERS);
  readonly #options: IntakeOptions;
  readonly #rules: OfferRules;
  readonly #space: FreeSpace;
  readonly #stop = new AbortController();
  readonly #running = new Map<Promise<void>, IncomingTransfer>();
  readonly #incoming = new IncomingJobs();
  readonly #hook: ArrivalHook | undefined;
  readonly #upkeep: Disposable;
  readonly #stages: Stages;
  readonly #stageUpkeep: StageUpkeep;
  /** Releases what was staged here, and rolls it back. */
  readonly staged: StageSwitch;

  private constructor(options: IntakeOptions, upkeep: Disposable) {
    const { member, inbox, settings, environment, log } = options;
    this.#options = options;
    this.#upkeep = upkeep;
    this.#rules = new OfferRules(member, settings);
    this.#space = new FreeSpace(inbox, {
      quotaBytes: settings.inboxQuota,
      keepFreeBytes: settings.keepFree,
    });
    this.offers = new AskedOffers(member, (offer) => this.#tellOffer(offer));
    const { arrivals, stages } = member;
    const { onReceived: command, onReceivedTimeoutMs: timeoutMs } = settings;
    if (command !== undefined)
      this.#hook = new ArrivalHook({ command, timeoutMs, environment, inbox, arrivals, stages, log });
    this.#stages = new Stages(options);
    this.#stageUpkeep = new StageUpkeep({ ...options, stages: this.#stages });
    this.staged = new StageSwitch({
      ...options,
      stages: this.#stages,
      upkeep: this.#stageUpkeep,
      space: this.#space,
      onHook: () => this.#hook?.wake(),
    });
  }

  /** Makes the inbox ready. Hold the home's lock. @throws FilerError `home-not-writable` */
  static async open(options: IntakeOptions): Promise<TransferIntake> {
    const { inbox, member, log } = options;
    const intake = new TransferIntake(options, await keepInbox(inbox, member, log));
    await intake.staged.recover();
    intake.#stageUpkeep.start();
    if (intake.#hook === undefined) member.stages.endHooks(NOT_SET);
    intake.#hook?.wake();
    return intake;
  }

  get incoming(): readonly IncomingTransfer[] {
    return [...this.#running.values()];
  }

  /** Transfers that come in now. */
  get running(): number {
    return this.#running.size;
  }

  /** Serves one connection that a member opened for a transfer, to its end. */
  async take(messenger: Messenger, from: Membership, knows: KnownOfTransfers = {}): Promise<void> {
    const { name, id } = from;
    const since = new Date().toISOString();
    const begun = { from: name, fromId: id, since, path: '', bytesReceived: 0, bytesTotal: 0 };
    let running = begun;
    const work: Promise<void> = this.#receive(messenger, from, knows, (event) => {
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

  /** Tells a member what it delivered here before: nothing is removed. */
  async tellExtras(messenger: Messenger, from: Membership): Promise<void> {
    const { member, inbox } = this.#options;
    const release = await this.slots.take(from.id, messenger);
    try {
      await tellExtras(messenger, {
        inbox,
        folder: this.#rules.folderNow(from),
        deliveries: member.deliveries.of(from.id, inbox),
        known: member.digests,
        policy: { mirror: this.#rules.mirror },
        signal: this.#stop.signal,
      });
    } finally {
      release();
      await messenger.close();
    }
  }

  /** Ends what runs; half files stay for the next try. */
  async close(): Promise<void> {
    this.#upkeep[Symbol.dispose]();
    this.#stop.abort(new FilerError('terminated', 'the receiver is stopping'));
    await Promise.all([this.#stageUpkeep.close(), this.staged.close()]);
    await Promise.allSettled(this.#running.keys());
    await this.#hook?.close();
  }

  async #receive(
    messenger: Messenger,
    from: Membership,
    { passesOn, isParallel = false }: KnownOfTransfers,
    on: (event: ReceiveEvent) => void,
  ): Promise<void> {
    using passing = this.#options.settings.passOn ? passesOn?.begin() : undefined;
    const { member, inbox, settings, log } = this.#options;
    messenger.setMaxUnreadBytes(MAX_UNREAD_BYTES);
    const channel = isParallel ? this.#overSeveral(messenger, from) : messenger;
    let release = await this.slots.take(from.id, messenger);
    let asked: string | undefined;
    let isStaged = false;
    const ended = Promise.withResolvers<void>();
    const accept: ReceivePolicy['accept'] = async (offer, asker) => {
      passing?.of(from.id, offer.job);
      const cap = this.#rules.judge(offer, from, () => this.offers.accepted(from.id, offer));
      if (cap === 'ask') {
        // Who waits for a person takes no one's turn.
        release();
        asked = offer.job;
        const folder = join(inbox, this.#rules.folderOf(offer, from));
        const refusals = await foreseenRefusals(offer, settings, this.#space);
        await this.offers.ask(offer, from, { folder, refusals }, asker);
        release = await this.slots.take(from.id, messenger);
      }
      await this.#incoming.begin(from.id, offer.job, messenger, ended.promise);
      if (cap === undefined) return undefined;
      return this.offers.accepted(from.id, offer) ?? { files: 0, bytes: 0 };
    };
    try {
      const outcome = await receiveFiles(channel, {
        keyPair: member.identity,
        network: member.network,
        senderId: from.id,
        limit: member.limits.receive,
        inbox,
        folder: (offer) => this.#rules.folderOf(offer, from),
        stage: (offer) => {
          isStaged = true;
          return this.#stages.propose(offer, from, this.#rules.folderOf(offer, from));
        },
        space: this.#space,
        policy: {
          maxFileBytes: settings.maxFileSize,
          maxFiles: settings.maxFiles,
          mirror: this.#rules.mirror,
          accept,
        },
        sync: settings.sync,
        known: member.digests,
        deliveries: member.deliveries.of(from.id, inbox, settings.sync),
        copiesMoved: true,
        removed: async (paths) => {
          await recordRemoved(member, inbox, paths, from);
          log.info('files were removed for their sender', { from: from.name, files: paths.length });
        },
        beganAt: (job) => member.arrivals.beganAt(from.id, job),
        signal: this.#stop.signal,
        passing,
        on,
        // What is staged is in no inbox until it is released.
        record: (file) => (isStaged ? undefined : recordInInbox(member, file, from, settings.sync)),
      });
      const { job, error, files } = outcome;
      if (asked !== undefined) this.offers.left(from.id, asked, isWithdrawn(error));
      if (this.#hook !== undefined && error === undefined && job !== undefined && !isStaged) {
        member.arrivals.done(from.id, job);
        this.#hook.wake();
      }
      for (const { name, code, message: reason } of files)
        if (code !== undefined) log.warn('a file was not taken', { from: from.name, name, code, reason });
      if (error === undefined) return;
      if (movedOn(error, messenger) || this.#incoming.continues(messenger))
        log.info('a transfer continues on a better path', { from: from.name, job });
      else log.warn('a transfer ended early', { from: from.name, job, error });
    } finally {
      ended.resolve();
      release();
      await messenger.close();
    }
  }

  /** The sender may open further connections for its files. */
  #overSeveral(messenger: Messenger, { id }: Membership): Channel {
    const { parallel } = this.#options.member;
    const token = parallel.expect(id, messenger, (connection) => channel.add(connection));
    const most = mostParallel(messenger);
    const channel = new ParallelReceiving(messenger, { most, token, held: messenger.unread });
    return channel;
  }

  #tellOffer({ id, fromName, from: fromId, names, files, bytes: size, note, state }: AskedOffer): void {
    const { log, member } = this.#options;
    log.info(OFFER_PHRASES[state], { offer: id, from: fromName, files, bytes: size });
    member.events.publish('offer', { id, from: fromName, fromId, names, files, size, note, state });
  }
}

/** Whether the person who sent stopped it: any other end may be followed by another try. */
function isWithdrawn(error: FilerError | undefined): boolean {
  return error?.cause instanceof FilerError && error.cause.code === 'interrupted';
}
