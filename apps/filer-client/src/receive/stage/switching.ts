import { setImmediate as turn } from 'node:timers/promises';
import { join } from 'node:path';
import {
  FilerError,
  MAX_RELEASES_KEPT,
  signStageWord,
  systemCode,
  type StageHook,
  type StageState,
} from '@filer/protocol';
import {
  ExistingDigests,
  StagedTree,
  StagePlaces,
  tidyStage,
  type Space,
  type StagedRemoval,
  type Switch,
} from '@filer/transfer';
import type { Journal, KeptStage } from '../../store/stage-rows.ts';
import { PathSet } from './stage-turns.ts';
import type { StageUpkeep } from './stage-upkeep.ts';
import { stageTold, type StagesOptions } from './stages.ts';

/** A release or a rollback comes to each of these, in this order; a test may stop it there. */
export type SwitchStep = 'begun' | 'prepared' | 'noted' | 'switched one' | 'switched' | 'kept' | 'done';

export interface SwitchingOptions extends StagesOptions {
  readonly upkeep: Pick<StageUpkeep, 'drop'>;
  /** Of the inbox. */
  readonly space: Space;
  /** A program is to be run for a stage. */
  readonly onHook: () => void;
  /** @default nothing happens at a step */
  readonly step?: ((step: SwitchStep) => void | Promise<void>) | undefined;
}

export const RUNNING: StageHook = { state: 'running', exitCode: null, line: '' };

/** Deliveries that are looked at together. */
const LOOKED_AT_ONCE = 500;

/** A stage, and what it changes places with, while something is done to both. */
interface Opened extends Disposable {
  readonly places: StagePlaces;
  readonly tree: StagedTree;
}

/** Has a stage and what has its names change places: all of it, or nothing, and noted before the first name changes. */
export class Switching {
  readonly #options: SwitchingOptions & { readonly signal: AbortSignal };

  /** @param options `signal`: aborted when nothing is to begin any more */
  constructor(options: SwitchingOptions & { readonly signal: AbortSignal }) {
    this.#options = options;
  }

  /** @throws FilerError why nothing was released */
  async release(stage: KeptStage, keep: number): Promise<void> {
    const { stages } = this.#options.member;
    using opened = this.#open(stage, `what was staged of job ${stage.job} is gone`);
    const { places, tree } = opened;
    await this.#step('begun');
    await tidyStage(places.hidden, stage.tops, stage.entries, (path) => stages.files.item(stage.id, path));
    await tree.bringIn(stage.tops);
    await this.#step('prepared');
    stages.files.clear(stage.id, 'gone');
    stages.files.put(stage.id, 'gone', tree.removed.map(goneItem));
    const removed = tree.removed.filter(({ kind }) => kind !== 'dir').length;
    const switches = await this.#switchOrUndo(stage, opened, 'releasing', keep, removed);
    await this.#finish({ ...stage, removed }, opened, 'released', { keep, switches });
    await this.#step('done');
  }

  /** @throws FilerError why nothing was rolled back */
  async rollBack(stage: KeptStage): Promise<void> {
    const gone = `what was there before job ${stage.job} is gone`;
    using opened = this.#open(stage, gone);
    // Without all of it, a rollback would only take away what is there now.
    for (const path of opened.places.missing(this.#options.member.stages.files.before(stage.id)))
      throw this.#lost(stage, `${JSON.stringify(path)} of ${gone}`);
    await this.#step('begun');
    await opened.tree.bringBack(stage.tops);
    await this.#step('prepared');
    const switches = await this.#switchOrUndo(stage, opened, 'rolling-back', 1, 0);
    await this.#finish({ ...stage, removed: 0 }, opened, 'rolled-back', { keep: 1, switches });
    await this.#step('done');
  }

  /**
   * Brings what was begun and cut off to its end, or leaves all as it was, where no name has changed.
   *
   * @throws FilerError where that is not clear, or cannot be done: then it is tried again
   */
  async complete(stage: KeptStage): Promise<void> {
    const { member, log } = this.#options;
    const { journal, job } = stage;
    if (journal === undefined)
      throw new FilerError('store-damaged', `what job ${job} was to come to is not known`);
    using opened = this.#open(stage, `the folder in which job ${job} was being switched is gone`);
    const { places } = opened;
    if (stage.word !== undefined && !journal.switches.some((each) => places.hasSwapped(each))) {
      // What goes may have changed since it was looked at: its sender asks again.
      member.stages.undo(stage.id, stage.word.state);
      return;
    }
    await this.#switch(stage, places, journal.switches);
    // Not switched back, whatever has changed: it may have its new names for long.
    await bringLate(stage, opened);
    const state = stage.state === 'releasing' ? 'released' : 'rolled-back';
    await this.#finish(stage, opened, state, journal);
    log.info('a release that was cut off was completed', { from: stage.senderName, job });
  }

  /** Whether its hidden folder is. */
  isThere({ folder, hidden }: KeptStage): boolean {
    using places = StagePlaces.open(this.#options.inbox, folder, hidden);
    return places !== undefined;
  }

  /** Stages of all senders that have some of its names, itself too. */
  touching({ folder, tops }: KeptStage): KeptStage[] {
    const own = new PathSet(tops.map((top) => join(folder, top)));
    return this.#options.member.stages
      .list()
      .filter((other) => own.touches(other.tops.map((top) => join(other.folder, top))));
  }

  /** All of it, or nothing: what cannot be switched, or has changed at that moment, leaves all as it was. */
  async #switchOrUndo(
    stage: KeptStage,
    opened: Opened,
    state: 'releasing' | 'rolling-back',
    keep: number,
    removed: number,
  ): Promise<readonly Switch[]> {
    const { signal, member } = this.#options;
    const { places } = opened;
    signal.throwIfAborted();
    const switches = stage.tops.map((top) => places.switchOf(top));
    member.stages.beginSwitch(stage.id, state, { keep, switches }, removed);
    await this.#step('noted');
    try {
      await this.#switch(stage, places, switches);
      await bringLate({ ...stage, state }, opened);
    } catch (error) {
      const back = switches.map(({ top, wanted, before }) => ({ top, wanted: before, before: wanted }));
      await this.#switch(stage, places, back);
      member.stages.undo(stage.id, stage.state);
      // What came to the version that goes again stays there, too, where the other one has no such name.
      const undone = state === 'releasing' ? 'rolling-back' : 'releasing';
      await bringLate({ ...stage, state: undone }, opened).catch((late: unknown) => {
        if (!(late instanceof FilerError) && systemCode(late) === undefined) throw late;
      });
      throw error;
    }
    return switches;
  }

  async #switch(stage: KeptStage, places: StagePlaces, switches: readonly Switch[]): Promise<void> {
    // Where it is not clear what one of them has, none is touched.
    for (const each of switches) places.hasSwapped(each);
    for (const each of switches) {
      await places.swap(each);
      await this.#step('switched one');
    }
    if (this.#options.settings.sync) await places.sync(stage.tops);
    await this.#step('switched');
  }

  async #finish(
    stage: KeptStage,
    { places }: Opened,
    state: Exclude<StageState, 'staged'>,
    { keep, switches }: Journal,
  ): Promise<void> {
    const { member, inbox, settings, upkeep, onHook, log } = this.#options;
    const isRelease = state === 'released';
    const folder = join(inbox, stage.folder);
    const missing = isRelease ? await this.#missing(stage, folder, places) : [];
    const now = member.clock.stamp();
    const { network, identity } = member;
    const { job, sender, files, bytes, removed } = stage;
    const word = signStageWord({ network, job, sender, state, time: now, files, bytes, removed }, identity);
    const hook = settings.onReceived === undefined ? undefined : RUNNING;
    const ended = { folder, word, hook, now };
    const had = switches.filter(({ before }) => before !== null).map(({ top }) => top);
    if (isRelease) member.stages.released(stage, ended, { had, missing });
    else member.stages.rolledBack(stage, ended);
    await this.#step('kept');
    const facts = { from: stage.senderName, job, files };
    log.info(isRelease ? 'a staged job was released' : 'a released job was rolled back', facts);
    member.events.publish('stage', stageTold(stage, state));
    if (hook !== undefined) onHook();
    if (isRelease) for (const each of this.#superseded(stage, keep)) await upkeep.drop(each, 'closed');
  }

  /** What the sender had delivered and was not there any more before the release: no rollback brings it back. */
  async #missing({ sender, tops }: KeptStage, folder: string, places: StagePlaces): Promise<string[]> {
    const deliveries = this.#options.member.deliveries.of(sender, folder);
    const missing = [...places.missing(tops.filter((top) => deliveries.find(top) !== undefined))];
    for (const top of tops) {
      for (let before: string | undefined; ;) {
        const page = deliveries.below(top, before, LOOKED_AT_ONCE).map(({ path }) => path);
        missing.push(...places.missing(page));
        before = page.at(-1);
        if (before === undefined) break;
        await turn();
      }
    }
    return missing;
  }

  /** Older releases of the same sender whose older versions are kept no longer. */
  #superseded(stage: KeptStage, keep: number): Iterable<KeptStage> {
    const { sender, id } = stage;
    const released = (each: KeptStage): boolean => each.sender === sender && each.state === 'released';
    const newestFirst = (a: KeptStage, b: KeptStage): number => b.releasedSeq - a.releasedSeq;
    const older = this.touching(stage).filter((each) => released(each) && each.id !== id);
    const all = this.#options.member.stages.list(sender).filter(released).toSorted(newestFirst);
    return new Set([...older.toSorted(newestFirst).slice(keep - 1), ...all.slice(MAX_RELEASES_KEPT)]);
  }

  /** @param gone why nothing is done where its hidden folder is not there */
  #open(stage: KeptStage, gone: string): Opened {
    const { member, inbox, space, settings } = this.#options;
    const places = StagePlaces.open(inbox, stage.folder, stage.hidden);
    if (places === undefined) throw this.#lost(stage, gone);
    const { files } = member.stages;
    const tree = new StagedTree({
      base: places.base,
      stage: places.hidden,
      find: (path) => files.item(stage.id, path),
      isGone: (path) => files.isGone(stage.id, path),
      deliveries: member.deliveries.of(stage.sender, join(inbox, stage.folder)),
      space,
      sync: settings.sync,
      files: new ExistingDigests({ known: member.digests, checksum: false }),
      mirror: stage.mirror,
      overwrite: stage.overwrite,
    });
    return { places, tree, [Symbol.dispose]: () => places[Symbol.dispose]() };
  }

  #lost({ folder, hidden }: KeptStage, what: string): FilerError {
    return new FilerError(
      'refused',
      `${what} at ${this.#options.member.name} (see ${JSON.stringify(join(folder, hidden))} in its inbox), so that nothing is switched: put it back there, or send the files again as a new job`,
    );
  }

  async #step(step: SwitchStep): Promise<void> {
    await this.#options.step?.(step);
  }
}

async function bringLate({ state, tops }: KeptStage, { tree }: Opened): Promise<void> {
  if (state === 'releasing') await tree.bringLate(tops);
  else await tree.bringLateBack(tops);
}

/** What the disk did, in a sentence. */
export function diskError(error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined || error instanceof FilerError) return error;
  const path =
    error instanceof Error && 'path' in error
      ? String(error.path).replace(/^\/proc\/self\/fd\/\d+\//, '')
      : 'the inbox';
  return new FilerError(
    'home-not-writable',
    `${JSON.stringify(path)} cannot be read or changed (${code}), so that nothing is switched: look at its permissions and its disk`,
    { cause: error },
  );
}

function goneItem({ path, kind, size, content }: StagedRemoval) {
  return [path, { kind, size, content, mtimeNs: 0n }] as const;
}
