import { dirname, join } from 'node:path';
import {
  FilerError,
  MAX_BATCH_NAME_CHARS,
  MAX_ENTRIES_PER_BATCH,
  MAX_RELEASES_KEPT,
  Semaphore,
  signStageWord,
  type RemovedBatch,
  type StageAnswer,
  type StageAsked,
  type StageHook,
  type StageState,
  type StageWord,
} from '@filer/protocol';
import {
  ExistingDigests,
  FolderPath,
  Folder,
  identityAt,
  signRemoved,
  StagedTree,
  swap,
  type StagedRemoval,
} from '@filer/transfer';
import type { KeptStage, Switch } from '../store/stage-store.ts';
import { stageTold, type Stages, type StagesOptions } from './stages.ts';

/** A release or a rollback comes to each of these, in this order; a test may stop it there. */
export type SwitchStep = 'begun' | 'prepared' | 'noted' | 'switched one' | 'switched' | 'kept' | 'done';

export interface StageSwitchOptions extends StagesOptions {
  readonly stages: Pick<Stages, 'requireAllowed' | 'drop'>;
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

  constructor(options: StageSwitchOptions) {
    this.#options = options;
  }

  /** @param peerId who asks @throws FilerError why it is not done */
  async act(peerId: string, { job, act, keep = 1, from }: StageAsked): Promise<StageAnswer> {
    const turns = this.#turns.get(peerId) ?? new Semaphore(1);
    this.#turns.set(peerId, turns);
    return await turns.take(async () => {
      const { stages } = this.#options.member;
      const stage = this.#stageOf(peerId, job);
      if (act === 'release') await this.#release(stage, keep);
      if (act === 'rollback') await this.#rollBack(stage);
      const { word, hook } = stages.byId(stage.id) ?? stage;
      if (word === undefined)
        throw new FilerError('refused', `job ${job} is not all there yet: send it again`);
      return { word, hook: hook ?? null, removed: from === undefined ? null : this.#removedOf(stage, from) };
    });
  }

  /** Brings what this process's predecessor began to its end. Never rejects for what the disk does. */
  async recover(): Promise<void> {
    const { member, log } = this.#options;
    for (const stage of member.stages.list()) {
      if (stage.state !== 'releasing' && stage.state !== 'rolling-back') continue;
      const facts = { from: stage.senderName, job: stage.job };
      try {
        using places = this.#open(stage);
        await this.#switch(stage, places, stage.journal);
        await this.#finish(stage, places, stage.state === 'releasing' ? 'released' : 'rolled-back', 1);
        log.info('a release that was cut off was completed', facts);
      } catch (error) {
        if (!(error instanceof FilerError)) throw error;
        log.error('a release that was cut off could not be completed: it is tried again at the next start', {
          ...facts,
          error,
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
    const { tree, base, hidden } = places;
    await this.#step('begun');
    await tree.tidy(stage.tops, stage.entries);
    await tree.bringIn(stage.tops);
    await this.#step('prepared');
    member.stages.clear(stage.id, 'gone');
    member.stages.put(stage.id, 'gone', tree.removed.map(goneItem));
    const journal = stage.tops.map((top): Switch => ({ top, wanted: places.identity(hidden, top) ?? null }));
    const before = stage.tops.map((top): Switch => ({ top, wanted: places.identity(base, top) ?? null }));
    const removed = tree.removed.filter(({ kind }) => kind !== 'dir').length;
    member.stages.beginSwitch(stage.id, 'releasing', journal, removed);
    await this.#step('noted');
    await this.#switchOrUndo(stage, places, journal, before);
    await this.#finish({ ...stage, removed }, places, 'released', keep);
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
    using places = this.#open(stage);
    const { tree, base, hidden } = places;
    await this.#step('begun');
    await tree.bringBack(stage.tops);
    await this.#step('prepared');
    const journal = stage.tops.map((top): Switch => ({ top, wanted: places.identity(hidden, top) ?? null }));
    const before = stage.tops.map((top): Switch => ({ top, wanted: places.identity(base, top) ?? null }));
    member.stages.beginSwitch(stage.id, 'rolling-back', journal, 0);
    await this.#step('noted');
    await this.#switchOrUndo(stage, places, journal, before);
    await this.#finish({ ...stage, removed: 0 }, places, 'rolled-back', 1);
    await this.#step('done');
  }

  /** All of it, or nothing: what cannot be switched leaves all as it was. */
  async #switchOrUndo(
    stage: KeptStage,
    places: Places,
    journal: readonly Switch[],
    before: readonly Switch[],
  ): Promise<void> {
    try {
      await this.#switch(stage, places, journal);
    } catch (error) {
      await this.#switch(stage, places, before);
      this.#options.member.stages.undo(stage.id, stage.state);
      throw error;
    }
  }

  async #switch(stage: KeptStage, places: Places, journal: readonly Switch[]): Promise<void> {
    for (const { top, wanted } of journal) {
      await places.swap(top, wanted ?? undefined);
      await this.#step('switched one');
    }
    if (this.#options.settings.sync) await places.sync(stage.tops);
    await this.#step('switched');
  }

  async #finish(
    stage: KeptStage,
    { tree }: Places,
    state: Exclude<StageState, 'staged'>,
    keep: number,
  ): Promise<void> {
    const { member, inbox, settings, stages, onHook, log } = this.#options;
    const isRelease = state === 'released';
    if (isRelease) await tree.bringLate(stage.tops);
    else await tree.bringLateBack(stage.tops);
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

  #open(stage: KeptStage): Places {
    const { member, inbox } = this.#options;
    return new Places(member, join(inbox, stage.folder), stage);
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

  constructor(member: StagesOptions['member'], folder: string, stage: KeptStage) {
    this.base = Folder.openOwn(folder);
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
      files: new ExistingDigests({ known: digests, checksum: false }),
      mirror: stage.mirror,
      overwrite: stage.overwrite,
    });
  }

  /** What a top is now; undefined for nothing. */
  identity(root: Folder, top: string): string | undefined {
    return this.#at(root, top, (folder, name) => identityAt(folder.at(name)));
  }

  async swap(top: string, wanted: string | undefined): Promise<void> {
    const parents = parentsOf(top);
    using folder = descend(this.base, parents);
    using hidden = descend(this.hidden, parents);
    await swap({ folder, hidden, name: nameOf(top), stage: this.hidden }, wanted);
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

/** A folder below another one, made if missing. */
function descend(root: Folder, components: readonly string[]): Folder {
  let folder = root.again();
  for (const component of components) {
    using above = folder;
    folder = above.open(component);
  }
  return folder;
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

function goneItem({ path, kind, size, content }: StagedRemoval) {
  return [path, { kind, size, content, mtimeNs: 0n }] as const;
}
