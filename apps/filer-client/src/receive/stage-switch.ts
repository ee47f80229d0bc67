import { dirname, join } from 'node:path';
import {
  FilerError,
  MAX_BATCH_NAME_CHARS,
  MAX_ENTRIES_PER_BATCH,
  MAX_RELEASES_KEPT,
  Semaphore,
  signStageWord,
  systemCode,
  type RemovedBatch,
  type StageAnswer,
  type StageAsked,
  type StageHook,
  type StageState,
  type StageWord,
} from '@filer/protocol';
import {
  ExistingDigests,
  type Folder,
  type Space,
  FolderPath,
  hasSwapped,
  inodeAt,
  signRemoved,
  StagedTree,
  swap,
  type Pair,
  type StagedRemoval,
} from '@filer/transfer';
import type { Journal, KeptStage, Switch } from '../store/stage-store.ts';
import { descend, openBelow, stageTold, type Stages, type StagesOptions } from './stages.ts';

/** A release or a rollback comes to each of these, in this order; a test may stop it there. */
export type SwitchStep = 'begun' | 'prepared' | 'noted' | 'switched one' | 'switched' | 'kept' | 'done';

export interface StageSwitchOptions extends StagesOptions {
  readonly stages: Pick<Stages, 'requireAllowed' | 'require' | 'drop'>;
  /** Of the inbox. */
  readonly space: Space;
  /** A program is to be run for a stage. */
  readonly onHook: () => void;
  /** @default nothing happens at a step */
  readonly step?: ((step: SwitchStep) => void | Promise<void>) | undefined;
}

const RUNNING: StageHook = { state: 'running', exitCode: null, line: '' };

/** Gives staged jobs their names, and takes these away again, on the word of who sent them and no other. */
export class StageSwitch {
  readonly #options: StageSwitchOptions;
  /** By sender: one after the other. */
  readonly #turns = new Map<string, Semaphore>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();

  constructor(options: StageSwitchOptions) {
    this.#options = options;
  }

  /** @param peerId who asks @throws FilerError why it is not done */
  async act(peerId: string, asked: StageAsked): Promise<StageAnswer> {
    const turns = this.#turns.get(peerId) ?? new Semaphore(1);
    this.#turns.set(peerId, turns);
    const work = turns.take(() => this.#act(peerId, asked));
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

  async #act(peerId: string, { job, act, keep = 1, from }: StageAsked): Promise<StageAnswer> {
    this.#stop.signal.throwIfAborted();
    const { stages } = this.#options.member;
    using _held = act === 'ask' ? undefined : this.#options.stages.require({ sender: peerId, job });
    const stage = this.#stageOf(peerId, job);
    if (act === 'release') await this.#release(stage, keep);
    if (act === 'rollback') await this.#rollBack(stage);
    const { word, hook } = stages.byId(stage.id) ?? stage;
    if (word === undefined) throw new FilerError('refused', `job ${job} is not all there yet: send it again`);
    return { word, hook: hook ?? null, removed: from === undefined ? null : this.#removedOf(stage, from) };
  }

  /** Brings what this process's predecessor began to its end. Never rejects for what the disk does. */
  async recover(): Promise<void> {
    const { member, log } = this.#options;
    for (const stage of member.stages.list()) {
      if (stage.state !== 'releasing' && stage.state !== 'rolling-back') continue;
      const facts = { from: stage.senderName, job: stage.job };
      try {
        const { journal } = stage;
        if (journal === undefined)
          throw new FilerError('store-damaged', `what job ${stage.job} was to come to is not known`);
        using places = this.#open(stage);
        if (stage.word !== undefined && !journal.switches.some((each) => places.hasSwapped(each))) {
          // What goes may have changed since it was looked at: its sender asks again.
          member.stages.undo(stage.id, stage.word.state);
          continue;
        }
        await this.#switch(stage, places, journal.switches);
        // Not switched back, whatever has changed: it may have its new names for long.
        await this.#bringLate(stage, places);
        const state = stage.state === 'releasing' ? 'released' : 'rolled-back';
        await this.#finish(stage, state, journal.keep);
        log.info('a release that was cut off was completed', facts);
      } catch (error) {
        log.error('a release that was cut off could not be completed: it is tried again at the next start', {
          ...facts,
          stage: stage.hidden,
          error: diskError(error),
        });
      }
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
      const later = this.#overlapping(stage).find(({ releasedSeq }) => releasedSeq > stage.releasedSeq);
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
    using places = this.#open(stage);
    const { tree } = places;
    await this.#step('begun');
    await tree.tidy(stage.tops, stage.entries);
    await tree.bringIn(stage.tops);
    await this.#step('prepared');
    member.stages.clear(stage.id, 'gone');
    member.stages.put(stage.id, 'gone', tree.removed.map(goneItem));
    const removed = tree.removed.filter(({ kind }) => kind !== 'dir').length;
    await this.#switchOrUndo(stage, places, 'releasing', keep, removed);
    await this.#finish({ ...stage, removed }, 'released', keep);
    await this.#step('done');
  }

  /** A program that failed runs once more where its sender asks for the same again. */
  #runAgain({ id, hook }: KeptStage): void {
    const { member, settings, onHook } = this.#options;
    if (hook?.state !== 'failed' || settings.onReceived === undefined) return;
    member.stages.hookEnded(id, RUNNING);
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
    const later = this.#overlapping(stage).find(({ releasedSeq }) => releasedSeq > stage.releasedSeq);
    if (later !== undefined)
      throw new FilerError(
        'refused',
        `job ${later.job} was released at ${member.name} after it: roll that back first`,
      );
    this.#requireKept(stage);
    using places = this.#open(stage);
    const { tree } = places;
    await this.#step('begun');
    await tree.bringBack(stage.tops);
    await this.#step('prepared');
    await this.#switchOrUndo(stage, places, 'rolling-back', 1, 0);
    await this.#finish({ ...stage, removed: 0 }, 'rolled-back', 1);
    await this.#step('done');
  }

  /** All of it, or nothing: what cannot be switched, or has changed at that moment, leaves all as it was. */
  async #switchOrUndo(
    stage: KeptStage,
    places: Places,
    state: 'releasing' | 'rolling-back',
    keep: number,
    removed: number,
  ): Promise<void> {
    const { stages } = this.#options.member;
    this.#stop.signal.throwIfAborted();
    const switches = stage.tops.map((top) => places.switchOf(top));
    const journal: Journal = { keep, switches };
    stages.beginSwitch(stage.id, state, journal, removed);
    const begun = { ...stage, state };
    await this.#step('noted');
    try {
      await this.#switch(begun, places, switches);
      await this.#bringLate(begun, places);
    } catch (error) {
      const back = switches.map(({ top, wanted, before }) => ({ top, wanted: before, before: wanted }));
      await this.#switch(begun, places, back);
      stages.undo(stage.id, stage.state);
      // What came to the version that goes again stays there, too, where the other one has no such name.
      await this.#bringLate(
        { ...stage, state: state === 'releasing' ? 'rolling-back' : 'releasing' },
        places,
      ).catch((late: unknown) => {
        if (!(late instanceof FilerError) && systemCode(late) === undefined) throw late;
      });
      throw error;
    }
  }

  async #switch(stage: KeptStage, places: Places, switches: readonly Switch[]): Promise<void> {
    // Where it is not clear what one of them has, none is touched.
    for (const each of switches) places.hasSwapped(each);
    for (const each of switches) {
      await places.swap(each);
      await this.#step('switched one');
    }
    if (this.#options.settings.sync) await places.sync(stage.tops);
    await this.#step('switched');
  }

  async #bringLate({ state, tops }: KeptStage, { tree }: Places): Promise<void> {
    if (state === 'releasing') await tree.bringLate(tops);
    else await tree.bringLateBack(tops);
  }

  async #finish(stage: KeptStage, state: Exclude<StageState, 'staged'>, keep: number): Promise<void> {
    const { member, inbox, settings, stages, onHook, log } = this.#options;
    const isRelease = state === 'released';
    const now = member.clock.stamp();
    const word = this.#word(stage, state, now);
    const hook = settings.onReceived === undefined ? undefined : RUNNING;
    const folder = join(inbox, stage.folder);
    // Rows of it may wait to be written with others.
    member.deliveries.of(stage.sender, folder).find('');
    if (isRelease) member.stages.released(stage, folder, word, hook, now);
    else member.stages.rolledBack(stage, folder, word, hook, now);
    await this.#step('kept');
    log.info(isRelease ? 'a staged job was released' : 'a released job was rolled back', {
      from: stage.senderName,
      job: stage.job,
      files: stage.files,
    });
    member.events.publish('stage', stageTold(stage, state));
    if (hook !== undefined) onHook();
    if (!isRelease) return;
    const older = this.#overlapping(stage).toSorted((a, b) => b.releasedSeq - a.releasedSeq);
    const all = member.stages
      .list(stage.sender)
      .filter((each) => each.state === 'released')
      .toSorted((a, b) => b.releasedSeq - a.releasedSeq);
    for (const each of new Set([...older.slice(keep - 1), ...all.slice(MAX_RELEASES_KEPT)]))
      await stages.drop(each, 'closed');
  }

  #word(
    { job, sender, files, bytes, removed }: KeptStage,
    state: Exclude<StageState, 'staged'>,
    time: number,
  ): StageWord {
    const { network, identity } = this.#options.member;
    return signStageWord({ network, job, sender, state, time, files, bytes, removed }, identity);
  }

  /** Other released jobs of the same sender that have the same names. */
  #overlapping(stage: KeptStage): KeptStage[] {
    return this.#options.member.stages
      .list(stage.sender)
      .filter(
        (other) =>
          other.state === 'released' &&
          other.id !== stage.id &&
          other.folder === stage.folder &&
          other.tops.some((top) => stage.tops.some((own) => areOne(top, own))),
      );
  }

  #removedOf(stage: KeptStage, from: number): RemovedBatch | null {
    const { member } = this.#options;
    const files = [];
    let chars = 0;
    for (const { path: name, kind, size, content } of member.stages.gone(
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

  /** Without what was there before, a rollback would only take away what is there now. @throws FilerError `refused` */
  #requireKept({ folder, hidden, job }: KeptStage): void {
    const { member, inbox } = this.#options;
    using base = openBelow(inbox, folder);
    using kept = base.enter(hidden);
    if (kept !== undefined) return;
    throw new FilerError(
      'refused',
      `what was there before job ${job} is gone at ${member.name} (its hidden folder ${hidden} was removed): send the older files again`,
    );
  }

  #open(stage: KeptStage): Places {
    const { member, inbox } = this.#options;
    return new Places(member, inbox, stage, this.#options.space);
  }

  async #step(step: SwitchStep): Promise<void> {
    await this.#options.step?.(step);
  }
}

/** The folder of a job's names, and its stage, while something is done to both. */
class Places implements Disposable {
  readonly base: Folder;
  readonly hidden: Folder;
  readonly tree: StagedTree;

  constructor(member: StagesOptions['member'], inbox: string, stage: KeptStage, space: Space) {
    const folder = join(inbox, stage.folder);
    this.base = openBelow(inbox, stage.folder);
    try {
      this.hidden = this.base.open(stage.hidden);
    } catch (error) {
      this.base[Symbol.dispose]();
      throw error;
    }
    const { stages, digests } = member;
    this.tree = new StagedTree({
      base: this.base,
      stage: this.hidden,
      find: (path) => stages.item(stage.id, path),
      isGone: (path) => stages.isGone(stage.id, path),
      deliveries: member.deliveries.of(stage.sender, folder),
      space,
      files: new ExistingDigests({ known: digests, checksum: false }),
      mirror: stage.mirror,
      overwrite: stage.overwrite,
    });
  }

  /** Of a top: what it has now, and what is to come. */
  switchOf(top: string): Switch {
    const [wanted, before] = [this.hidden, this.base].map((root) =>
      this.#at(root, top, (folder, name) => inodeAt(folder.at(name))),
    );
    return { top, wanted: wanted ?? null, before: before ?? null };
  }

  /** @throws FilerError `refused` where that is not clear */
  hasSwapped({ top, wanted, before }: Switch): boolean {
    using pair = this.#pair(top);
    return hasSwapped(pair, { wanted: wanted ?? undefined, before: before ?? undefined });
  }

  async swap({ top, wanted, before }: Switch): Promise<void> {
    using pair = this.#pair(top);
    await swap(pair, { wanted: wanted ?? undefined, before: before ?? undefined });
  }

  #pair(top: string): Pair & Disposable {
    const parents = parentsOf(top);
    const folder = descend(this.base, parents);
    try {
      const hidden = descend(this.hidden, parents);
      return {
        folder,
        hidden,
        name: nameOf(top),
        [Symbol.dispose]: () => {
          hidden[Symbol.dispose]();
          folder[Symbol.dispose]();
        },
      };
    } catch (error) {
      folder[Symbol.dispose]();
      throw error;
    }
  }

  /** The names are on the disk. */
  async sync(tops: readonly string[]): Promise<void> {
    for (const path of new Set(tops.map((top) => dirname(top)))) {
      const parents = path === '.' ? [] : path.split('/');
      for (const root of [this.base, this.hidden]) {
        using folder = descend(root, parents);
        await folder.sync();
      }
    }
  }

  #at<T>(root: Folder, top: string, look: (folder: Folder, name: string) => T): T | undefined {
    using path = new FolderPath(root);
    const folder = path.at(parentsOf(top));
    return folder === undefined ? undefined : look(folder, nameOf(top));
  }

  [Symbol.dispose](): void {
    this.hidden[Symbol.dispose]();
    this.base[Symbol.dispose]();
  }
}

function parentsOf(top: string): string[] {
  return top.split('/').slice(0, -1);
}

function nameOf(top: string): string {
  return top.slice(top.lastIndexOf('/') + 1);
}

/** Whether two tops are one, or one is in the other. */
function areOne(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

/** What the disk did, in a sentence. */
function diskError(error: unknown): unknown {
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
