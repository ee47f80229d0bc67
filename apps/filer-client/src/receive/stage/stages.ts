import { createHash } from 'node:crypto';
import {
  FilerError,
  MAX_STAGED_ENTRIES,
  MAX_STAGED_ENTRIES_PER_PEER,
  MAX_STAGED_TOP_CHARS,
  MAX_STAGES_PER_PEER,
  signStageWord,
  systemCode,
  type Membership,
  type Offer,
  type ReceiptFile,
  type StageWord,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import {
  canExchange,
  cannotExchange,
  componentsOf,
  descend,
  Folder,
  STAGE_PREFIX,
  type Stage,
  type Standing,
} from '@filer/transfer';
import { join } from 'node:path';
import type { ClientEventData } from '../../api/contract/events.ts';
import type { Member } from '../../network/member.ts';
import type { ClientSettings } from '../../settings.ts';
import { UNSEALED } from '../../store/stage-files.ts';
import type { KeptStage, KeptStageState } from '../../store/stage-rows.ts';
import { Sealing } from './sealing.ts';

/** What an entry of a stage takes in the database. */
const ROW_BYTES = 512;

/** Stages whose content is not what has its names. */
export const WAITING: readonly KeptStageState[] = ['receiving', 'staged', 'rolled-back'];

/** Those of which nothing is left but a row. */
export const EMPTY: readonly KeptStageState[] = ['closed', 'dropped'];

export type StageSettings = Pick<
  ClientSettings,
  'accept' | 'allowRelease' | 'allowMirror' | 'stagedKeepMs' | 'stagedLinks' | 'sync' | 'onReceived'
>;

export type StageOwner = Pick<
  Member,
  'stages' | 'deliveries' | 'digests' | 'clock' | 'events' | 'room' | 'identity' | 'network' | 'name'
>;

export interface StagesOptions {
  readonly member: StageOwner;
  /** Absolute. */
  readonly inbox: string;
  readonly settings: StageSettings;
  readonly log: Logger;
}

/** Where jobs are put that are sent with `--stage`, until they are released or not wanted any longer. */
export class Stages {
  readonly #options: StagesOptions;
  /** Stages that are filled, switched or cleaned now, by sender and job: one thing at a time is done to each. */
  readonly #held = new Set<string>();
  /** Of the inbox's disk: looked at once. */
  #canExchange: Promise<boolean> | undefined;

  constructor(options: StagesOptions) {
    this.#options = options;
  }

  /**
   * Keeps a stage for one who fills, switches or cleans it. Read its row after this.
   *
   * @returns undefined while somebody else has it
   */
  hold({ sender, job }: Pick<KeptStage, 'sender' | 'job'>): Disposable | undefined {
    const key = `${sender} ${job}`;
    if (this.#held.has(key)) return undefined;
    this.#held.add(key);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#held.delete(key);
        isHeld = false;
      },
    };
  }

  /**
   * Where a job is to be staged. Nothing of it is noted before it is agreed to.
   *
   * @param folder where it is to go, relative to the inbox
   * @throws FilerError why it is not staged
   */
  async propose(offer: Offer, from: Membership, folder: string): Promise<Stage> {
    const { settings, inbox } = this.#options;
    this.#judge(offer, from);
    this.#canExchange ??= this.#probe();
    if (!(await this.#canExchange)) throw cannotExchange(inbox);
    let noted = 0;
    let begun: { readonly stage: KeptStage; readonly most: number; readonly held: Disposable } | undefined;
    const filled = (): NonNullable<typeof begun> => {
      if (begun === undefined) throw new Error('a stage is begun before it is filled');
      return begun;
    };
    return {
      hidden: hiddenOf(from.id, offer.job),
      mayLink: settings.stagedLinks,
      begin: () => {
        const held = this.require({ sender: from.id, job: offer.job });
        try {
          begun = { ...this.#begin(offer, from, folder), held };
        } catch (error) {
          held[Symbol.dispose]();
          throw error;
        }
      },
      note: (files) => {
        const { stage, most } = filled();
        noted += files.length;
        this.#note(stage, files, noted, most);
      },
      seal: async (stands) => {
        const { stage, most, held } = filled();
        const word = await this.#seal(stage, stands, most);
        // Who is told may have it released at once.
        held[Symbol.dispose]();
        return word;
      },
      [Symbol.dispose]: () => begun?.held[Symbol.dispose](),
    };
  }

  /** @throws FilerError `rate-limited` while somebody else has it */
  require(of: Pick<KeptStage, 'sender' | 'job'>): Disposable {
    const held = this.hold(of);
    if (held !== undefined) return held;
    throw new FilerError(
      'rate-limited',
      `something else is done to job ${of.job} at ${this.#options.member.name} just now: try again later`,
    );
  }

  /** @returns what is noted of it, and how many entries it may have @throws FilerError why it is not staged */
  #judge(offer: Offer, from: Membership): { readonly known: KeptStage | undefined; readonly most: number } {
    const { member } = this.#options;
    this.requireAllowed(offer.mirror === true);
    const known = member.stages.find(from.id, offer.job);
    if (known !== undefined && !['receiving', 'staged', 'dropped'].includes(known.state))
      throw new FilerError(
        'refused',
        `job ${offer.job} is ${known.state} at ${member.name}: send it as a new job`,
      );
    const others = member.stages.list(from.id).filter(({ job }) => job !== offer.job);
    const waiting = others.filter(({ state }) => WAITING.includes(state)).length;
    if (waiting >= MAX_STAGES_PER_PEER)
      throw new FilerError(
        'rate-limited',
        `${waiting} staged jobs of yours wait at ${member.name}, the most that may: release one, or send this one later (staged-keep drops what is not released)`,
      );
    const most = Math.min(
      MAX_STAGED_ENTRIES,
      MAX_STAGED_ENTRIES_PER_PEER -
        others.reduce((sum, { state, entries }) => sum + (EMPTY.includes(state) ? 0 : entries), 0),
    );
    if (offer.files > most) throw tooMany(member.name);
    return { known, most };
  }

  #begin(
    offer: Offer,
    from: Membership,
    folder: string,
  ): { readonly stage: KeptStage; readonly most: number } {
    const { member } = this.#options;
    const { known, most } = this.#judge(offer, from);
    const stage = member.stages.begin(
      {
        sender: from.id,
        senderName: from.name,
        job: offer.job,
        folder: known?.folder ?? folder,
        hidden: hiddenOf(from.id, offer.job),
        mirror: offer.mirror === true,
        overwrite: offer.onConflict === 'overwrite',
        note: offer.note,
      },
      member.clock.stamp(),
    );
    return { stage, most };
  }

  #note({ id }: KeptStage, files: readonly ReceiptFile[], noted: number, most: number): void {
    const { member } = this.#options;
    if (noted > most) throw tooMany(member.name);
    member.room.require(files.length * ROW_BYTES);
    member.stages.files.put(
      id,
      'set',
      files.map(({ name, digest, size }) => [
        name,
        { kind: 'file', content: digest, size, mtimeNs: UNSEALED },
      ]),
    );
  }

  async #probe(): Promise<boolean> {
    try {
      using inbox = Folder.openOwn(this.#options.inbox);
      return await canExchange(inbox);
    } catch (error) {
      this.#canExchange = undefined;
      if (systemCode(error) === undefined || error instanceof FilerError) throw error;
      return false;
    }
  }

  /** @throws FilerError `refused` */
  requireAllowed(mirrors: boolean): void {
    const { member, settings } = this.#options;
    const { name } = member;
    if (settings.accept === 'none')
      throw new FilerError('declined', `${name} takes no files (it was started with --accept none)`);
    if (!settings.allowRelease)
      throw new FilerError(
        'refused',
        `${name} takes no staged files: send without --stage, or have allow-release = false removed from its configuration and its daemon restarted`,
      );
    if (mirrors && !settings.allowMirror)
      throw new FilerError(
        'refused',
        `${name} lets no sender remove files (allow-mirror = false): stage it without --mirror`,
      );
  }

  async #seal(stage: KeptStage, stands: (path: string) => Standing, most: number): Promise<StageWord> {
    const { member, inbox } = this.#options;
    const sealing = new Sealing(member.stages.files, stage, stands);
    using inboxFolder = Folder.openOwn(inbox);
    using root = descend(inboxFolder, componentsOf(join(stage.folder, stage.hidden)));
    const { tops, files, bytes, entries } = await sealing.run(root);
    if (entries > most) throw tooMany(member.name);
    if (tops.reduce((sum, top) => sum + top.length, 0) > MAX_STAGED_TOP_CHARS)
      throw new FilerError(
        'too-large',
        `the ${tops.length} names of the staged job are longer than ${MAX_STAGED_TOP_CHARS} characters together, the most that ${member.name} switches: stage the folder that holds them`,
      );
    const now = member.clock.stamp();
    const { network, identity } = member;
    const word = signStageWord(
      { network, job: stage.job, sender: stage.sender, state: 'staged', time: now, files, bytes, removed: 0 },
      identity,
    );
    member.stages.seal(stage.id, { tops, word, now }, entries);
    member.events.publish('stage', stageTold({ ...stage, files }, 'staged'));
    return word;
  }
}

/** A stage as those who watch are told about it. */
export function stageTold(
  { job, senderName: from, sender: fromId, files }: KeptStage,
  state: ClientEventData['stage']['state'],
): ClientEventData['stage'] {
  return { job, from, fromId, files, state };
}

function hiddenOf(sender: string, job: string): string {
  return `${STAGE_PREFIX}${createHash('sha256').update(`${sender} ${job}`).digest('hex').slice(0, 24)}`;
}

function tooMany(name: string): FilerError {
  return new FilerError(
    'too-large',
    `${name} keeps at most ${MAX_STAGED_ENTRIES} files and folders of a staged job, and ${MAX_STAGED_ENTRIES_PER_PEER} of all that one machine stages: stage fewer in one job, or release some`,
  );
}
