import { join } from 'node:path';
import type { Attempt, DeliveryProgress } from '../collect/attempt.ts';
import type { Directory } from '../server/directory.ts';
import type { Collect, CollectRun, Delivery, FileFailure } from '../store/collect-rows.ts';
import type { CollectStore } from '../store/collect-store.ts';
import { iso } from '../iso.ts';

/** What collects are told from: a running server, or the home of one that is stopped. */
export interface CollectView {
  readonly store: CollectStore;
  readonly directory: Directory;
  /** Undefined while the server is stopped. */
  readonly live: LiveCollects | undefined;
}

export interface LiveCollects {
  readonly isOnline: (peer: string) => boolean;
  readonly attempt: (run: number, peer: string) => Attempt | undefined;
}

/** What became of a machine in a run, as `--json` says it. */
export type MachineState =
  'waiting' | 'asked' | 'delivering' | 'delivered' | 'late' | 'failed' | 'missing' | 'left' | 'removed';

/** One line of the ledger. Times are ISO 8601 UTC. */
export interface MachineEntry {
  readonly name: string;
  readonly id: string;
  readonly state: MachineState;
  /** Whether it had not delivered when the grace was over; also of one that has delivered since. */
  readonly late: boolean;
  readonly online: boolean;
  /** Where its files of this run are. */
  readonly folder: string;
  readonly askedAt: string | null;
  readonly deliveredAt: string | null;
  readonly files: number;
  readonly bytes: number;
  readonly filesFailed: number;
  /** The first of them. */
  readonly failures: readonly FileFailure[];
  /** Why the last try failed. */
  readonly code: string | null;
  readonly reason: string | null;
  readonly tries: number;
  readonly progress: DeliveryProgress | null;
}

export interface RunEntry {
  readonly id: string;
  /** The name of its folders. */
  readonly run: string;
  /** By the timetable; null for one that a person began. */
  readonly dueAt: string | null;
  readonly startedAt: string;
  /** Only the newest one is gone on with. */
  readonly newest: boolean;
  /** Machines that it asks; the counts by state add up to it. */
  readonly expected: number;
  readonly delivered: number;
  readonly delivering: number;
  readonly asked: number;
  readonly waiting: number;
  readonly late: number;
  readonly failed: number;
  readonly missing: number;
  /** Left or removed since. */
  readonly gone: number;
  readonly files: number;
  readonly bytes: number;
}

export interface CollectEntry {
  readonly name: string;
  readonly from: readonly string[];
  readonly paths: readonly string[];
  readonly every: string | null;
  readonly cron: string | null;
  readonly folder: string;
  readonly graceMs: number;
  readonly createdAt: string;
  readonly nextAt: string | null;
  readonly lastRun: RunEntry | null;
}

export interface CollectsDocument {
  readonly running: boolean;
  readonly collects: readonly CollectEntry[];
}

/** The ledger of a run. */
export interface LedgerDocument {
  readonly running: boolean;
  readonly collect: CollectEntry;
  /** Null while the collect has not run. */
  readonly run: RunEntry | null;
  /** Those that need attention first. */
  readonly machines: readonly MachineEntry[];
  /** The newest runs. */
  readonly runs: readonly RunEntry[];
}

/** Runs that a ledger lists beside its own. */
const RUNS_LISTED = 20;

/** What needs attention comes first. */
const ORDER: readonly MachineState[] = [
  'missing',
  'late',
  'failed',
  'delivering',
  'asked',
  'waiting',
  'delivered',
  'left',
  'removed',
];

/** All collects, those with trouble in their last run first, then by name. */
export function collectsDocument(view: CollectView): CollectsDocument {
  const collects = view.store.all().map((collect) => entryOf(view, collect));
  return { running: view.live !== undefined, collects: collects.toSorted((a, b) => trouble(b) - trouble(a)) };
}

/** @param run undefined for the newest one */
export function ledgerDocument(view: CollectView, collect: Collect, run?: CollectRun): LedgerDocument {
  const { store, live } = view;
  const shown = run ?? store.newest(collect.name);
  return {
    running: live !== undefined,
    collect: entryOf(view, collect),
    run: shown === undefined ? null : runOf(view, shown, store.newest(collect.name)),
    machines: shown === undefined ? [] : machinesOf(view, collect, shown),
    runs: store
      .runs(collect.name, RUNS_LISTED)
      .map((each, n) => runOf(view, each, n === 0 ? each : undefined)),
  };
}

/** The ledger's lines of a run, those that need attention first. */
export function machinesOf(view: CollectView, collect: Collect, run: CollectRun): MachineEntry[] {
  return view.store
    .deliveries(run.number)
    .map((row) => machineOf(view, collect, run, row))
    .toSorted((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
}

function entryOf(view: CollectView, collect: Collect): CollectEntry {
  const { name, sources, paths, timetable, folder, graceMs, createdAt, nextAt } = collect;
  const newest = view.store.newest(name);
  return {
    name,
    from: sources.map((source) => view.directory.get(source)?.membership.name ?? source),
    paths,
    every: timetable.kind === 'every' ? timetable.text : null,
    cron: timetable.kind === 'cron' ? timetable.text : null,
    folder,
    graceMs,
    createdAt: iso(createdAt),
    nextAt: nextAt === undefined ? null : iso(nextAt),
    lastRun: newest === undefined ? null : runOf(view, newest, newest),
  };
}

function runOf(view: CollectView, run: CollectRun, newest: CollectRun | undefined): RunEntry {
  const rows = view.store.deliveries(run.number);
  const states = rows.map((row) => stateOf(row, view.live?.attempt(run.number, row.peer)));
  const count = (...of: MachineState[]): number => states.filter((state) => of.includes(state)).length;
  const sum = (key: 'files' | 'bytes'): number => rows.reduce((total, row) => total + row[key], 0);
  return {
    id: run.id,
    run: run.label,
    dueAt: run.dueAt === undefined ? null : iso(run.dueAt),
    startedAt: iso(run.startedAt),
    newest: newest?.number === run.number,
    expected: rows.length,
    delivered: count('delivered'),
    delivering: count('delivering'),
    asked: count('asked'),
    waiting: count('waiting'),
    late: count('late'),
    failed: count('failed'),
    missing: count('missing'),
    gone: count('left', 'removed'),
    files: sum('files'),
    bytes: sum('bytes'),
  };
}

function machineOf({ live }: CollectView, collect: Collect, run: CollectRun, row: Delivery): MachineEntry {
  const attempt = live?.attempt(run.number, row.peer);
  const { peer, name, late, askedAt, deliveredAt, files, bytes, filesFailed, failures, tries } = row;
  return {
    name,
    id: peer,
    state: stateOf(row, attempt),
    late,
    online: live?.isOnline(peer) === true,
    folder: join(collect.folder, row.folder, run.label),
    askedAt: askedAt === undefined ? null : iso(askedAt),
    deliveredAt: deliveredAt === undefined ? null : iso(deliveredAt),
    files,
    bytes,
    filesFailed,
    failures,
    code: row.code ?? null,
    reason: row.reason ?? null,
    tries,
    progress: attempt?.phase === 'delivering' ? attempt.progress : null,
  };
}

function stateOf({ state, late }: Delivery, attempt: Attempt | undefined): MachineState {
  if (attempt?.phase === 'delivering') return 'delivering';
  return late && (state === 'waiting' || state === 'asked') ? 'late' : state;
}

function trouble({ lastRun }: CollectEntry): number {
  return lastRun === null ? 0 : lastRun.missing + lastRun.late + lastRun.failed;
}
