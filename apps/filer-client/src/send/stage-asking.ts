import {
  FilerError,
  formatStage,
  parseStageState,
  pause,
  Session,
  verifyStageWord,
  type StageAct,
  type StageAnswer,
} from '@filer/protocol';
import { verifyRemoved } from '@filer/transfer';
import { shownRequest } from '../jobs/send-request.ts';
import { isPassing } from '../jobs/while-lost.ts';
import { reachPeer, type Outreach } from '../network/reach-peer.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { JobStage, RolloutAct } from '../store/release-store.ts';
import { pathHere } from './mirrored.ts';

/** A release looks through what is there and what was staged: of a million files for minutes. */
const ACT_TIMEOUT_MS = 15 * 60_000;

/** A program that a recipient runs is asked about after these pauses, in ms: doubled in between. */
const LOOK_FIRST_MS = 50;
const LOOK_LONGEST_MS = 2_000;

/** A recipient that is lost while its program runs is asked again for so long, in ms. */
const LOST_MS = 30_000;

export interface StageAskingOptions {
  readonly outreach: Outreach;
  /** The session that is kept with a peer. */
  readonly sessionWith: (peerId: string) => Session | undefined;
}

/** Asks recipients to release what they have staged, or to roll it back, and keeps what they answer. */
export class StageAsking {
  readonly #options: StageAskingOptions;

  constructor(options: StageAskingOptions) {
    this.#options = options;
  }

  /**
   * Asks one recipient, and waits for its program. All that it says is in the ledger then.
   *
   * @throws FilerError why it was not done
   */
  async ask(stage: JobStage, peer: KnownPeer, act: RolloutAct, signal: AbortSignal): Promise<void> {
    let answer = await this.#say(stage, peer, act, {}, signal);
    const wanted = act === 'release' ? 'released' : 'rolled-back';
    if (answer.word.state !== wanted)
      throw new FilerError(
        'verification-failed',
        `${peer.name} signed that the job is ${answer.word.state}, and not ${wanted}`,
      );
    this.#keep(stage, answer);
    if (act === 'release') await this.#keepRemoved(stage, peer, signal);
    let pauseMs = LOOK_FIRST_MS;
    for (let lostAt: number | undefined; answer.hook?.state === 'running';) {
      await pause(pauseMs, signal);
      pauseMs = Math.min(LOOK_LONGEST_MS, 2 * pauseMs);
      signal.throwIfAborted();
      try {
        answer = await this.#say(stage, peer, 'ask', {}, signal);
        lostAt = undefined;
        this.#keep(stage, answer);
      } catch (error) {
        lostAt ??= performance.now();
        const isGivenUp = performance.now() - lostAt > LOST_MS;
        if (!(error instanceof FilerError) || !isPassing(error.code) || isGivenUp) throw error;
      }
    }
  }

  #keep(stage: JobStage, { word, hook }: StageAnswer): void {
    const { member } = this.#options.outreach;
    member.releases.done(stage, word, hook);
    member.events.publish('transfer', {});
  }

  /** What a release has removed is signed for, as what `send --delete` removes is. */
  async #keepRemoved(stage: JobStage, peer: KnownPeer, signal: AbortSignal): Promise<void> {
    const { member } = this.#options.outreach;
    const request = shownRequest(member.jobs.job(stage.job)?.request ?? '');
    if (request?.mirror !== true) return;
    const known = new Set(
      member.removed
        .of(stage.job, peer.id)
        .flatMap(({ batch }) => batch?.files.map(({ name }) => name) ?? []),
    );
    for (let from = 0; ;) {
      const { removed } = await this.#say(stage, peer, 'ask', { from }, signal);
      if (removed === null) return;
      const { network, job, sender, receiver } = removed;
      const isOurs =
        network === member.network && job === stage.job && sender === member.id && receiver === peer.id;
      if (!isOurs || removed.files.length === 0)
        throw new FilerError('verification-failed', `${peer.name} signed for the removals of another job`);
      verifyRemoved(removed);
      if (removed.files.some(({ name }) => !known.has(name)))
        member.removed.add({
          job: stage.job,
          peer: peer.id,
          batch: removed,
          paths: removed.files.map(({ name }) => pathHere(request, name)),
          receivedAt: member.clock.stamp(),
        });
      from += removed.files.length;
    }
  }

  async #say(
    { job, keep }: JobStage,
    peer: KnownPeer,
    act: StageAct,
    more: { readonly from?: number },
    signal: AbortSignal,
  ): Promise<StageAnswer> {
    const { outreach, sessionWith } = this.#options;
    const { network, id: sender } = outreach.member;
    const message = formatStage({ job, act, ...more, ...(act === 'release' ? { keep } : {}) });
    const kept = sessionWith(peer.id);
    const options = { signal, timeoutMs: ACT_TIMEOUT_MS };
    const session =
      kept ?? new Session((await reachPeer(outreach, peer, { purpose: 'session' }, signal)).messenger);
    try {
      const answer = parseStageState(await session.ask(message, options));
      verifyStageWord(answer.word, { network, job, sender, receiver: peer.id });
      return answer;
    } finally {
      if (session !== kept) {
        if (signal.aborted) session.messenger.destroy();
        else await session.close();
      }
    }
  }
}
