import { join } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import type { Logger } from '@filer/program';
import { componentsOf, Folder, FolderPath, removeTree, StagePlaces, statsAt } from '@filer/transfer';
import type { KeptStage } from '../../store/stage-rows.ts';
import { EMPTY, stageTold, WAITING, type Stages, type StagesOptions } from './stages.ts';

/** Those that are known by their rows alone are forgotten after so long, in ms. */
const FORGOTTEN_MS = 30 * 24 * 3_600_000;

const CLEAN_EVERY_MS = 3_600_000;

/** By so much a clock is put right without anything being counted as younger, in ms. */
const CLOCK_SET_MS = 60_000;

export interface StageUpkeepOptions extends StagesOptions {
  readonly stages: Pick<Stages, 'hold'>;
}

/** Drops what was staged and is not wanted any longer. */
export class StageUpkeep {
  readonly #options: StageUpkeepOptions;
  #timer: NodeJS.Timeout | undefined;
  #cleaning: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** When stages were looked through last, by both clocks. */
  #looked: { readonly timeMs: number; readonly steadyMs: number } | undefined;

  constructor(options: StageUpkeepOptions) {
    this.#options = options;
  }

  /** From now on what is not released is dropped in time. */
  start(): void {
    const clean = (): void => void (this.#cleaning = this.#cleaning.then(() => this.clean()));
    this.#timer ??= setInterval(clean, CLEAN_EVERY_MS).unref();
    clean();
  }

  /** Resolves when what is being removed is. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#isClosed = true;
    await this.#cleaning;
  }

  /** Removes what a stage holds. */
  async drop(stage: KeptStage, state: 'closed' | 'dropped'): Promise<void> {
    const { member, inbox, log } = this.#options;
    // Its rows first: what is left of a folder whose rows are gone is removed with the next look.
    member.stages.close(stage.id, state, member.clock.stamp());
    await this.#removeFolder(stage, inbox, log);
    member.events.publish('stage', stageTold(stage, state));
  }

  /** What was not released in time goes. Never rejects: what fails is tried again. */
  async clean(): Promise<void> {
    const { member, inbox, settings, log, stages } = this.#options;
    try {
      this.#followClock();
      for (const { id, sender, job } of member.stages.list()) {
        if (this.#isClosed) return;
        using held = stages.hold({ sender, job });
        const stage = held === undefined ? undefined : member.stages.byId(id);
        if (stage === undefined) continue;
        const ageMs = member.clock.now() - stage.changedAt;
        const isWaiting = WAITING.includes(stage.state) || isLost(stage, inbox);
        if (isWaiting && ageMs > settings.stagedKeepMs) {
          log.info('a staged job that was not released is dropped', { from: stage.senderName, job });
          await this.drop(stage, 'dropped');
        } else if (EMPTY.includes(stage.state)) {
          await this.#removeFolder(stage, inbox, log);
          if (ageMs > FORGOTTEN_MS) member.stages.forget(id);
        }
      }
    } catch (error) {
      if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
      log.warn('staged jobs could not be checked', { error });
    }
  }

  /** A clock that was set says nothing about how long anything was kept. */
  #followClock(): void {
    const { stages, clock } = this.#options.member;
    const { timeMs, steadyMs } = { timeMs: clock.now(), steadyMs: clock.save().steadyMs };
    const last = this.#looked ?? { timeMs, steadyMs };
    const jumpMs = Math.round(timeMs - last.timeMs - (steadyMs - last.steadyMs));
    if (jumpMs > CLOCK_SET_MS) stages.postpone(jumpMs);
    this.#looked = { timeMs, steadyMs };
  }

  async #removeFolder({ folder, hidden }: KeptStage, inbox: string, log: Logger): Promise<void> {
    try {
      using root = Folder.openOwn(inbox);
      using path = new FolderPath(root);
      const holder = path.at(componentsOf(folder));
      if (holder !== undefined && statsAt(holder, hidden) !== undefined) await removeTree(holder.at(hidden));
    } catch (error) {
      const code = systemCode(error);
      if (code === undefined && !(error instanceof FilerError)) throw error;
      if (code !== 'ENOENT' && code !== 'ENOTDIR')
        log.warn('what a stage held cannot be removed', { path: join(inbox, folder, hidden), error });
    }
  }
}

/** Whether it was cut off in a switch, and the folders of that are gone: nothing brings it to its end. */
function isLost({ state, folder, hidden }: KeptStage, inbox: string): boolean {
  if (state !== 'releasing' && state !== 'rolling-back') return false;
  using places = StagePlaces.open(inbox, folder, hidden);
  return places === undefined;
}
