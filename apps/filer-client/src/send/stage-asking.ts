import {
  FilerError,
  formatStage,
  MAX_STAGED_ENTRIES_PER_PEER,
  parseStageState,
  pause,
  Session,
  verifyStageWord,
  type Message,
  type StageAct,
  type StageAnswer,
  type StageWord,
} from '@filer/protocol';
import { formatDuration } from '@filer/program';
import { verifyRemoved } from '@filer/transfer';
import { shownRequest } from '../jobs/send-request.ts';
import { isPassing } from '../jobs/while-lost.ts';
import type { Outreach } from '../network/outreach.ts';
import { reachPeer } from '../network/reach-peer.ts';
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

/** A program that a recipient runs is waited for so long at most, in ms. */
const HOOK_MS = 60 * 60_000;

export interface StageAskingOptions {
  readonly outreach: Outreach;
  /** The session that is kept with a peer. */
  readonly sessionWith: (peerId: string) => Pick<Session, 'ask'> | undefined;
  /** How long the program of a recipient is waited for, in ms. @default HOOK_MS */
  readonly hookMs?: number | undefined;
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
    if (act === 'rollback' && stage.word?.state === 'staged') {
      // It may have released it, and its answer was lost. What it is told while it does that waits there.
      const now = await this.#say(stage, peer, 'ask', {}, signal);
      if (now.word.state === 'staged') return this.#keep(stage, now, signal);
    }
    let answer = await this.#say(stage, peer, act, {}, signal);
    const wanted = act === 'release' ? 'released' : 'rolled-back';
    if (answer.word.state !== wanted)
      throw new FilerError(
        'verification-failed',
        `${peer.name} signed that the job is ${answer.word.state}, and not ${wanted}`,
      );
    if (act === 'release') {
      this.#keep(stage, answer, signal, false);
      await this.#keepRemoved(stage, peer, answer.word, signal);
    }
    this.#keep(stage, answer, signal);
    let pauseMs = LOOK_FIRST_MS;
    const { hookMs = HOOK_MS } = this.#options;
    const endsAt = performance.now() + hookMs;
    for (let lostAt: number | undefined; answer.hook?.state === 'running';) {
      if (performance.now() >= endsAt) return this.#giveUp(stage, peer, hookMs);
      await pause(pauseMs, signal);
      pauseMs = Math.min(LOOK_LONGEST_MS, 2 * pauseMs);
      signal.throwIfAborted();
      try {
        answer = await this.#say(stage, peer, 'ask', {}, signal);
        lostAt = undefined;
        if (answer.word.state !== wanted)
          throw new FilerError(
            'verification-failed',
            `${peer.name} signed that the job is ${answer.word.state}, and not ${wanted}`,
          );
        this.#keep(stage, answer, signal);
      } catch (error) {
        lostAt ??= performance.now();
        const isGivenUp = performance.now() - lostAt > LOST_MS;
        if (!(error instanceof FilerError) || !isPassing(error.code) || isGivenUp) throw error;
      }
    }
  }

  /** Final: it is not asked again. */
  #giveUp(stage: JobStage, { name }: KnownPeer, hookMs: number): void {
    const { member } = this.#options.outreach;
    const why = `the program that ${name} runs has not ended after ${formatDuration(hookMs)}`;
    member.releases.failed(stage, 'timed-out', why, false);
    member.events.publish('transfer', {});
  }

  #keep(
    stage: JobStage,
    { word, hook }: StageAnswer,
    signal: AbortSignal,
    isOver = hook?.state !== 'running',
  ): void {
    signal.throwIfAborted();
    const { member } = this.#options.outreach;
    member.releases.done(stage, word, hook, isOver);
    member.events.publish('transfer', {});
  }

  /** What a release has removed is signed for, as what `send --delete` removes is. */
  async #keepRemoved(stage: JobStage, peer: KnownPeer, word: StageWord, signal: AbortSignal): Promise<void> {
    const { member } = this.#options.outreach;
    const request = shownRequest(member.jobs.job(stage.job)?.request ?? '');
    if (request?.mirror !== true) return;
    const known = new Set(
      member.removed
        .of(stage.job, peer.id)
        .flatMap(({ batch }) => batch?.files.map(({ name }) => name) ?? []),
    );
    // The word counts no folders.
    let counted = 0;
    const wrong = (): FilerError =>
      new FilerError(
        'verification-failed',
        `${peer.name} signed that ${word.removed} files were removed, and lists others`,
      );
    for (let from = 0; ;) {
      const { removed } = await this.#say(stage, peer, 'ask', { from }, signal);
      if (removed === null) {
        if (counted !== word.removed) throw wrong();
        return;
      }
      const { network, job, sender, receiver } = removed;
      const isOurs =
        network === member.network && job === stage.job && sender === member.id && receiver === peer.id;
      if (!isOurs || removed.files.length === 0)
        throw new FilerError('verification-failed', `${peer.name} signed for the removals of another job`);
      verifyRemoved(removed);
      counted += removed.files.filter(({ kind }) => kind !== 'dir').length;
      if (counted > word.removed || from > MAX_STAGED_ENTRIES_PER_PEER) throw wrong();
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
    const options = { signal, timeoutMs: ACT_TIMEOUT_MS };
    const expected = { network, job, sender, receiver: peer.id };
    const kept = sessionWith(peer.id);
    if (kept !== undefined) return answerOf(await kept.ask(message, options), expected);
    const session = new Session(
      (await reachPeer(outreach, peer, { purpose: 'session' }, { signal })).messenger,
    );
    try {
      return answerOf(await session.ask(message, options), expected);
    } finally {
      if (signal.aborted) session.messenger.destroy();
      else await session.close();
    }
  }
}

/** @throws FilerError `message-malformed`, `signature-invalid` */
function answerOf(said: Message, expected: Parameters<typeof verifyStageWord>[1]): StageAnswer {
  const answer = parseStageState(said);
  verifyStageWord(answer.word, expected);
  return answer;
}
