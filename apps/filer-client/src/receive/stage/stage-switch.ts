import { join } from 'node:path';
import {
  FilerError,
  formatError,
  MAX_BATCH_NAME_CHARS,
  MAX_ENTRIES_PER_BATCH,
  MAX_STAGE_ACTS_PER_PEER,
  stageMessage,
  stageStateMessage,
  type Message,
  type RemovedBatch,
  type Session,
  type StageAnswer,
  type StageAsked,
} from '@filer/protocol';
import { signRemoved } from '@filer/transfer';
import type { KeptStage } from '../../store/stage-rows.ts';
import { StageTurns } from './stage-turns.ts';
import { diskError, RUNNING, Switching, type SwitchingOptions } from './switching.ts';
import type { Stages } from './stages.ts';

export interface StageSwitchOptions extends SwitchingOptions {
  readonly stages: Pick<Stages, 'requireAllowed' | 'require'>;
}

/** Gives staged jobs their names, and takes these away again, on the word of who sent them and no other. */
export class StageSwitch {
  readonly #options: StageSwitchOptions;
  readonly #switching: Switching;
  readonly #turns = new StageTurns();
  /** By peer, how many acts it waits for. */
  readonly #asked = new Map<string, number>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();

  constructor(options: StageSwitchOptions) {
    this.#options = options;
    this.#switching = new Switching({ ...options, signal: this.#stop.signal });
  }

  /**
   * Begins to do what a message asks for, and answers once it is done: a release may take minutes, and the session continues
   * meanwhile. What is no message of its kind is refused at once.
   *
   * @throws FilerError `message-malformed`, `rate-limited`
   */
  answer(message: Message, session: Pick<Session, 'notify'>, peerId: string): undefined {
    const asked = stageMessage.parse(message);
    const re = message.header['id'];
    if (re === undefined) return undefined;
    const running = this.#asked.get(peerId) ?? 0;
    if (running >= MAX_STAGE_ACTS_PER_PEER)
      throw new FilerError(
        'rate-limited',
        `${running} questions of yours about staged jobs wait for an answer`,
      );
    this.#asked.set(peerId, running + 1);
    void this.#answer(asked, peerId, session, re).finally(() => {
      const left = (this.#asked.get(peerId) ?? 1) - 1;
      if (left > 0) this.#asked.set(peerId, left);
      else this.#asked.delete(peerId);
    });
    return undefined;
  }

  async #answer(
    asked: StageAsked,
    peerId: string,
    session: Pick<Session, 'notify'>,
    re: string,
  ): Promise<void> {
    // That the asker has gone is noticed by who reads from it.
    const say = (...said: Parameters<Session['notify']>): Promise<void> =>
      session.notify(...said).catch(() => undefined);
    try {
      const { header, content } = stageStateMessage.format(await this.act(peerId, asked));
      await say({ ...header, re }, content);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      await say(formatError(error, re));
    }
  }

  /** @param peerId who asks @throws FilerError why it is not done */
  async act(peerId: string, asked: StageAsked): Promise<StageAnswer> {
    const work = this.#inTurn(peerId, asked);
    this.#running.add(work);
    try {
      return await work;
    } catch (error) {
      throw diskError(error);
    } finally {
      this.#running.delete(work);
    }
  }

  /** What has not begun to switch does not; resolves when the rest has come to its end. */
  async close(): Promise<void> {
    this.#stop.abort(new FilerError('terminated', 'the receiver is stopping: ask again'));
    await Promise.allSettled(this.#running);
  }

  /** Brings what this process's predecessor began to its end. Never rejects for what the disk does. */
  async recover(): Promise<void> {
    const { member, log } = this.#options;
    for (const stage of member.stages.list()) {
      if (!isCutOff(stage)) continue;
      try {
        await this.#switching.complete(stage);
      } catch (error) {
        log.error(
          'a release that was cut off could not be completed: it is tried again when it is asked for',
          {
            from: stage.senderName,
            job: stage.job,
            stage: stage.hidden,
            error: diskError(error),
          },
        );
      }
    }
  }

  /** What is asked about a job waits for what is done to it; what is done to one waits for all that is done to its names. */
  async #inTurn(peerId: string, asked: StageAsked): Promise<StageAnswer> {
    const job = `${peerId} ${asked.job}`;
    const stage = this.#options.member.stages.find(peerId, asked.job);
    const names = asked.act === 'ask' || stage === undefined ? [] : pathsOf(stage);
    return await this.#turns.take([job, ...names], () => this.#act(peerId, asked));
  }

  async #act(peerId: string, { job, act, keep = 1, from }: StageAsked): Promise<StageAnswer> {
    this.#stop.signal.throwIfAborted();
    const { stages } = this.#options.member;
    using _held = act === 'ask' ? undefined : this.#options.stages.require({ sender: peerId, job });
    if (act !== 'ask') await this.#completeAll(this.#stageOf(peerId, job));
    const stage = this.#stageOf(peerId, job);
    if (act === 'release') await this.#release(stage, keep);
    if (act === 'rollback') await this.#rollBack(stage);
    const { word, hook } = stages.byId(stage.id) ?? stage;
    if (word === undefined) throw new FilerError('refused', `job ${job} is not all there yet: send it again`);
    return { word, hook: hook ?? null, removed: from === undefined ? null : this.#removedOf(stage, from) };
  }

  /** What was begun with these names and not brought to its end comes first. @throws FilerError why that cannot be */
  async #completeAll(stage: KeptStage): Promise<void> {
    for (const each of this.#switching.touching(stage)) {
      if (!isCutOff(each)) continue;
      const isOwn = each.id === stage.id;
      // Of one whose folders are gone nothing is in the way of others.
      if (isOwn || this.#switching.isThere(each)) await this.#switching.complete(each);
    }
  }

  #stageOf(peerId: string, job: string): KeptStage {
    const { member } = this.#options;
    const stage = member.stages.find(peerId, job);
    // The same for a job of another machine: who asks learns nothing about it.
    if (stage === undefined)
      throw new FilerError('no-such-job', `${member.name} has no staged job ${job} of this machine`);
    if (stage.state === 'dropped')
      throw new FilerError(
        'no-such-job',
        `${member.name} has dropped the staged job ${job}, which was not released in time: send it again`,
      );
    return stage;
  }

  async #release(stage: KeptStage, keep: number): Promise<void> {
    const { member, stages } = this.#options;
    if (stage.state === 'released' || stage.state === 'closed') {
      const later = this.#later(stage, ({ sender }) => sender === stage.sender);
      if (later !== undefined)
        throw new FilerError(
          'refused',
          `job ${stage.job} was replaced by ${later.job} at ${member.name}: roll ${later.job} back, or send it again`,
        );
      this.#runAgain(stage);
      return;
    }
    stages.requireAllowed(stage.mirror);
    if (stage.state !== 'staged' && stage.state !== 'rolled-back')
      throw new FilerError(
        'refused',
        `job ${stage.job} is ${stage.state} at ${member.name}: try again later`,
      );
    member.room.require(0);
    await this.#switching.release(stage, keep);
  }

  /** A program that failed runs once more where its sender asks for the same again. */
  #runAgain(stage: KeptStage): void {
    const { member, settings, onHook } = this.#options;
    if (stage.hook?.state !== 'failed' || settings.onReceived === undefined) return;
    member.stages.hookEnded(stage, RUNNING);
    onHook();
  }

  async #rollBack(stage: KeptStage): Promise<void> {
    const { member, stages } = this.#options;
    if (stage.state === 'rolled-back') {
      this.#runAgain(stage);
      return;
    }
    stages.requireAllowed(false);
    if (stage.state === 'closed')
      throw new FilerError(
        'refused',
        `${member.name} does not keep what was there before job ${stage.job}: another one was released since`,
      );
    if (stage.state !== 'released')
      throw new FilerError(
        'refused',
        `job ${stage.job} is ${stage.state} at ${member.name}, and not released`,
      );
    const later = this.#later(stage);
    if (later !== undefined)
      throw new FilerError(
        'refused',
        later.sender === stage.sender
          ? `job ${later.job} was released at ${member.name} after it: roll that back first`
          : `${later.senderName} has released a job over the same names at ${member.name} after it: that is to be rolled back first`,
      );
    await this.#switching.rollBack(stage);
  }

  /** One that has some of its names since, whose ever it is: what that one keeps is this one's. */
  #later(stage: KeptStage, fits: (other: KeptStage) => boolean = () => true): KeptStage | undefined {
    return this.#switching
      .touching(stage)
      .find((other) => other.state === 'released' && other.releasedSeq > stage.releasedSeq && fits(other));
  }

  #removedOf(stage: KeptStage, from: number): RemovedBatch | null {
    const { member } = this.#options;
    const files = [];
    let chars = 0;
    for (const { path: name, kind, size, content } of member.stages.files.gone(
      stage.id,
      from,
      MAX_ENTRIES_PER_BATCH,
    )) {
      const path = join(stage.folder, name);
      chars += name.length + path.length;
      if (chars > MAX_BATCH_NAME_CHARS && files.length > 0) break;
      files.push({ name, path, kind, size, ...(kind === 'file' ? { digest: content } : {}) });
    }
    if (files.length === 0) return null;
    const { network, identity } = member;
    return signRemoved(
      { network, job: stage.job, sender: stage.sender, time: stage.changedAt, files },
      identity,
    );
  }
}

function isCutOff({ state }: KeptStage): boolean {
  return state === 'releasing' || state === 'rolling-back';
}

/** The names of a job, relative to the inbox. */
function pathsOf({ folder, tops }: KeptStage): string[] {
  return tops.map((top) => join(folder, top));
}
