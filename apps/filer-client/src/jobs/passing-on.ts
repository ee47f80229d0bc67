import {
  callMessage,
  carriedMessage,
  carryMessage,
  FilerError,
  heldBlocksMessage,
  holdMessage,
  MAX_AWAITED_BLOCKS,
  MAX_HOLDERS,
  MAX_PASSED_ON,
  passOnMessage,
  PASS_ON,
  pause,
  TRANSFER_LIMITS,
  type Call,
  type HolderNamed,
  type Membership,
  type Messenger,
} from '@filer/protocol';
import { HeldBlocks, serveBlocks, type ReceiverPassing } from '@filer/transfer';
import type { Outreach } from '../network/outreach.ts';
import { PATHS } from '../network/paths.ts';
import { dialPeer } from '../network/reach-peer.ts';
import { RememberedJobs } from './remembered-jobs.ts';

/** How long one who is named at another machine may be there before the sender's word is, in ms. */
const EARLY_MS = 3_000;

/** How long blocks are there for others after this machine has all of them, or has lost the sender, in ms. */
const KEPT_MS = 30_000;

/** The same where somebody takes from here all the time, in ms: the sender names another one then. */
const KEPT_AT_MOST_MS = 3_600_000;

/** A holder that does not answer for so long is asked to open the connection itself, in ms; and how long it may try. */
const CALL_AFTER_MS = 700;
const CALL_MS = 2_500;

/** How often one that was asked to hand on says that it is there, in ms. */
const TELL_EVERY_MS = 1_000;

/** One transfer that takes part. Dispose of it when it has ended. */
export interface Passing extends ReceiverPassing, Disposable {
  /** What comes is of that job: it may be handed on later, too. */
  of(sender: string, job: string): void;
}

interface Grant {
  readonly peer: string;
  readonly held: HeldBlocks;
}

/** Hands blocks of what comes in on to other recipients, as each sender says, and takes some of others. */
export class PassingOn {
  readonly #outreach: Outreach;
  /** By their tokens. */
  readonly #grants = new Map<string, Grant>();
  readonly #remembered = new RememberedJobs();
  readonly #stop = new AbortController();
  #granted = Promise.withResolvers<void>();

  constructor(outreach: Outreach) {
    this.#outreach = outreach;
  }

  /** One transfer that comes in takes part. */
  begin(): Passing {
    const held = new HeldBlocks();
    let remember = (): void => undefined;
    return {
      held,
      of: (sender, job) => {
        remember = () => this.#remembered.add(sender, job, held.remembered());
      },
      open: (peer, signal, callMe) => this.#open(peer, signal, callMe),
      call: (peer, token) => void this.#call(peer, token),
      grant: (peer, token) => this.#grant(peer, token, held),
      [Symbol.dispose]: () => {
        remember();
        void this.#endLater(held);
      },
    };
  }

  #grant(peer: string, token: string, held: HeldBlocks): void {
    if (this.#grants.size >= MAX_PASSED_ON) return; // the sender hears that it is not served, and sends it itself
    this.#grants.set(token, { peer, held });
    this.#granted.resolve();
    this.#granted = Promise.withResolvers();
  }

  /** Hands on what came of a sender before, as it says on a connection whose next message is `hold`, until no one takes it. */
  async hold(messenger: Messenger, { id: sender }: Membership): Promise<void> {
    let held: HeldBlocks | undefined;
    let telling: NodeJS.Timeout | undefined;
    try {
      for await (const message of messenger) {
        if (held === undefined) {
          held = await this.#tellHeld(messenger, sender, holdMessage.parse(message).job);
          void held.closeUnused(KEPT_MS, KEPT_AT_MOST_MS, this.#stop.signal).then(() => messenger.close());
          const word = carriedMessage.format({ carried: [] });
          telling = setInterval(() => {
            void messenger.send(word.header, word.content).catch(() => undefined);
          }, TELL_EVERY_MS);
        } else if (passOnMessage.is(message)) this.#passOn(passOnMessage.parse(message), held);
        else if (callMessage.is(message)) this.#callNamed(callMessage.parse(message), held);
        else throw new FilerError('unexpected-message', 'it was asked to hand blocks on, and nothing else');
      }
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      messenger.reject(error);
    } finally {
      clearInterval(telling);
      if (held !== undefined) this.#end(held);
      await messenger.close();
    }
  }

  /** @throws FilerError `path-missing` when nothing of it is known here */
  async #tellHeld(messenger: Messenger, sender: string, job: string): Promise<HeldBlocks> {
    const blocks = this.#remembered.of(sender, job);
    if (blocks === undefined)
      throw new FilerError('path-missing', 'nothing of this job is known here: send it yourself');
    const digests = [...blocks.keys()];
    for (let first = 0; first < digests.length; first += MAX_AWAITED_BLOCKS) {
      const some = digests.slice(first, first + MAX_AWAITED_BLOCKS);
      const complete = first + some.length === digests.length;
      const word = heldBlocksMessage.format({ digests: some, complete });
      await messenger.send(word.header, word.content);
    }
    return HeldBlocks.from(blocks);
  }

  /** @throws FilerError `unexpected-message` */
  #passOn({ peer, token }: HolderNamed, held: HeldBlocks): void {
    if (this.#grantsOf(held).length >= MAX_HOLDERS)
      throw new FilerError('unexpected-message', `more than ${MAX_HOLDERS} machines were named`);
    this.#grant(peer, token, held);
  }

  /** @throws FilerError `unexpected-message` for a machine that was not named */
  #callNamed({ peer, callBack }: Call, held: HeldBlocks): void {
    if (!this.#grantsOf(held).some(([, grant]) => grant.peer === peer))
      throw new FilerError('unexpected-message', 'a machine is to be called that was not named');
    void this.#call(peer, callBack);
  }

  #grantsOf(held: HeldBlocks): [string, Grant][] {
    return [...this.#grants].filter(([, grant]) => grant.held === held);
  }

  #end(held: HeldBlocks): void {
    held.close();
    for (const [token] of this.#grantsOf(held)) this.#grants.delete(token);
  }

  /** Dials a holder; where it does not answer, it is asked to dial this machine meanwhile. */
  async #open(id: string, signal: AbortSignal, callMe: (token: string) => void): Promise<Messenger> {
    const { directory, reverse } = this.#outreach.member;
    const peer = directory.byId(id);
    if (peer === undefined) throw new FilerError('no-such-peer', 'it is not known here');
    const decided = new AbortController();
    const stop = AbortSignal.any([signal, decided.signal]);
    const about = { purpose: 'transfer', features: [PASS_ON] } as const;
    const direct = dialPeer(this.#outreach, peer, about, { signal: stop, paths: PATHS }).then(
      (it) => it.messenger,
    );
    using request = reverse.request(id);
    const called = async (): Promise<Messenger> => {
      await Promise.race([pause(CALL_AFTER_MS, stop), direct.catch(() => undefined)]);
      if (!stop.aborted) callMe(request.token);
      return (await request.connection(undefined, stop)) ?? (await direct);
    };
    try {
      const first = await Promise.any([direct, called()]);
      void direct.then((it) => (it === first ? undefined : it.close())).catch(() => undefined);
      return first;
    } catch {
      return await direct; // why it cannot be reached
    } finally {
      decided.abort();
    }
  }

  /** Opens the connection to one that may take from here, and could not open it. Never rejects. */
  async #call(id: string, token: string): Promise<void> {
    const peer = this.#outreach.member.directory.byId(id);
    if (peer === undefined) return;
    const about = { purpose: 'transfer', calledBack: token, features: [PASS_ON] } as const;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(CALL_MS)]);
    try {
      const { messenger } = await dialPeer(this.#outreach, peer, about, { signal, paths: PATHS });
      messenger.setLimits(TRANSFER_LIMITS);
      await this.serve(messenger, peer.membership);
    } catch (error) {
      // It hears of no connection, and gets what it lacks from the sender.
      if (!(error instanceof FilerError) && !signal.aborted) throw error;
    }
  }

  /** Others may be a little behind. */
  async #endLater(held: HeldBlocks): Promise<void> {
    if (this.#grantsOf(held).length > 0) await held.closeUnused(KEPT_MS, KEPT_AT_MOST_MS, this.#stop.signal);
    this.#end(held);
  }

  /** Serves a connection of a machine that was named here, to its end. */
  async serve(messenger: Messenger, from: Membership): Promise<void> {
    try {
      const first = await messenger[Symbol.asyncIterator]().next();
      if (first.done === true) return;
      const { token } = carryMessage.parse(first.value);
      const held = await this.#grantOf(token, from.id);
      const { send: limit } = this.#outreach.member.limits;
      await serveBlocks(messenger, { held, limit, signal: this.#stop.signal });
    } finally {
      await messenger.close();
    }
  }

  /** @throws FilerError `refused` */
  async #grantOf(token: string, peer: string): Promise<HeldBlocks> {
    const until = performance.now() + EARLY_MS;
    for (;;) {
      const grant = this.#grants.get(token);
      if (grant?.peer === peer) {
        return grant.held;
      }
      const leftMs = until - performance.now();
      if (grant !== undefined || leftMs <= 0 || this.#stop.signal.aborted)
        throw new FilerError('refused', 'no sender has named this machine here, or it is too late');
      await Promise.race([this.#granted.promise, pause(leftMs, this.#stop.signal)]);
    }
  }

  close(): void {
    this.#stop.abort(new FilerError('terminated', 'the machine is stopping'));
    for (const { held } of this.#grants.values()) held.close();
    this.#grants.clear();
  }
}
