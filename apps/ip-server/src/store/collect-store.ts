import type { ErrorCode } from '@filer/protocol';
import type { TimetableText } from '@filer/program';

/** What is collected, of whom, and when. */
export interface Collect {
  readonly name: string;
  /** `@all`, `@group`, or the id of a machine. */
  readonly sources: readonly string[];
  /** Globs over `SHARE/path/below`. */
  readonly paths: readonly string[];
  readonly timetable: TimetableText;
  /** Absolute: below it each machine has its folder, and in that each run. */
  readonly folder: string;
  /** A machine that has not delivered for so long after the beginning of a run is late. */
  readonly graceMs: number;
  readonly createdAt: number;
  /** ms since the epoch; undefined when no further run is due, ever. */
  readonly nextAt: number | undefined;
}

export interface CollectRun {
  readonly number: number;
  /** How machines know it. */
  readonly id: string;
  readonly collect: string;
  /** Its folder in the folder of each machine, and how people know it: of one collect no two have the same. */
  readonly label: string;
  /** By the timetable; undefined for one that a person began. */
  readonly dueAt: number | undefined;
  readonly startedAt: number;
  /** Its grace is over. */
  readonly isLate: boolean;
}

/**
 * `waiting` was not asked since the server knows of it, `asked` has promised to deliver, `failed` is tried again,
 * `missing` had not delivered when the next run began, `left` and `removed` are no members any more.
 */
export const DELIVERY_STATES = [
  'waiting',
  'asked',
  'delivered',
  'failed',
  'missing',
  'left',
  'removed',
] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** One file that did not come. Its name is another machine's: escape it. */
export interface FileFailure {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

/** What one machine has delivered in one run. */
export interface Delivery {
  readonly peer: string;
  /** What it was called when the run began. */
  readonly name: string;
  /** Its folder below the folder of the collect. */
  readonly folder: string;
  readonly state: DeliveryState;
  /** Whether it had not delivered when the grace was over. */
  readonly late: boolean;
  readonly askedAt: number | undefined;
  readonly deliveredAt: number | undefined;
  readonly files: number;
  readonly bytes: number;
  readonly filesFailed: number;
  /** The first of them. */
  readonly failures: readonly FileFailure[];
  /** Why the last try failed. */
  readonly code: ErrorCode | undefined;
  readonly reason: string | undefined;
  readonly tries: number;
  /** Whether another server, which lives, receives it now. */
  readonly elsewhere: boolean;
}

/** Where files may have begun to come. */
export interface Begun extends Pick<Delivery, 'peer' | 'folder' | 'elsewhere'> {
  /** Id and label of the run. */
  readonly id: string;
  readonly label: string;
}

/** A machine, by its id and what it is called. */
export type Machine = Pick<Delivery, 'peer' | 'name'>;

/** A machine that is expected to deliver, and its folder below the folder of the collect. */
export type Expected = Pick<Delivery, 'peer' | 'name' | 'folder'>;

/** A run that is to begin. */
export interface NewRun extends Omit<CollectRun, 'number' | 'isLate' | 'dueAt'> {
  readonly expected: readonly Expected[];
  /** Who is just delivering in earlier runs: all others of these that have not delivered are missing there. */
  readonly delivering: readonly { readonly run: number; readonly peer: string }[];
  /** By the timetable: when it is due, and the next one after it; undefined for a run that a person begins. */
  readonly due: { readonly at: number; readonly next: number | undefined } | undefined;
}

/** Why a run does not begin: the collect is removed, another run has its label, or another server has begun what was due. */
export type BeginRefusal = 'no-collect' | 'label-taken' | 'not-due';

/** How a try to get a machine's files ended without them. */
export interface FailedTry {
  /** `waiting` when it only lost the connection; `missing` when it is not tried again. */
  readonly state: 'failed' | 'waiting' | 'missing';
  readonly code: ErrorCode;
  readonly reason: string;
  readonly filesFailed: number;
  readonly failures: readonly FileFailure[];
}

/** What a machine has delivered. */
export interface Delivered {
  readonly at: number;
  readonly files: number;
  readonly bytes: number;
}

/** Ledgers of so many runs of one collect are kept. */
export const RUNS_KEPT = 500;

/**
 * Collects and their ledger. Each method is one transaction and rejects with a FilerError when the store fails; nothing has
 * changed then. What changes a delivery changes only one that is open (`waiting`, `asked`, `failed`), unless said otherwise,
 * and returns it as it is now; undefined when there is none.
 */
export interface CollectStore {
  /** By name. */
  all(): Promise<Collect[]>;
  get(name: string): Promise<Collect | undefined>;
  /** @returns whether the name was free */
  add(collect: Collect): Promise<boolean>;
  /** With its ledger. @returns whether there was one */
  remove(name: string): Promise<boolean>;
  /** Another time when the next run is due, unless `before` is not it any more. @returns whether that was changed */
  setNext(name: string, before: number, nextAt: number): Promise<boolean>;
  /** Gives each machine a folder of its own below `root`, and the same one each time. */
  claimFolders(root: string, machines: readonly Machine[]): Promise<Expected[]>;
  /** A run begins, which is the newest one from now on. What another server receives now is not missing. */
  begin(run: NewRun): Promise<CollectRun | BeginRefusal>;
  /**
   * Takes up what a server left that ran the collects before: who has not delivered before the newest run is missing there, and
   * in the newest one no one is asked. What other servers that live do stays as it is.
   */
  takeUp(): Promise<void>;
  /** Where files may have begun to come and did not all come, in whatever run that is not over. */
  begun(collect: string): Promise<Begun[]>;
  newest(collect: string): Promise<CollectRun | undefined>;
  /** @param name its label or its id */
  run(collect: string, name: string): Promise<CollectRun | undefined>;
  /** The newest first. */
  runs(collect: string, limit: number): Promise<CollectRun[]>;
  /** By name. @param withinMs only what was changed within this time, for an engine that several servers share */
  deliveries(run: number, withinMs?: number): Promise<Delivery[]>;
  /** @param receives whether it delivers now */
  asked(run: number, peer: string, at: number, receives?: boolean): Promise<Delivery | undefined>;
  /** Also of one that is not open: it has come late. */
  delivered(run: number, peer: string, delivered: Delivered): Promise<Delivery | undefined>;
  failed(run: number, peer: string, failed: FailedTry): Promise<Delivery | undefined>;
  /** It is no member any more. */
  gone(run: number, peer: string, state: 'left' | 'removed'): Promise<Delivery | undefined>;
  /** The grace of a run is over: who has not delivered is late. @returns all of the run, by name */
  late(run: number): Promise<Delivery[]>;
}
