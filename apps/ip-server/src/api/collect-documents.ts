import { iso } from '@filer/program';
import type { DeliveryProgress } from '../collect/attempt.ts';
import type {
  CollectOverview,
  CollectView,
  MachineState,
  MachineView,
  RunView,
} from '../daemon/collect-overview.ts';
import type { Collect, CollectRun, FileFailure } from '../store/collect-rows.ts';

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

/** All collects, those with trouble in their last run first, then by name. */
export function collectsDocument(overview: CollectOverview): CollectsDocument {
  return { running: overview.isLive, collects: overview.all().map(collectEntry) };
}

/** @param run undefined for the newest one */
export function ledgerDocument(
  overview: CollectOverview,
  collect: Collect,
  run?: CollectRun,
): LedgerDocument {
  const view = overview.view(collect);
  const shown = run === undefined ? view.lastRun : overview.run(run);
  return {
    running: overview.isLive,
    collect: collectEntry(view),
    run: shown === undefined ? null : runEntry(shown),
    machines: shown === undefined ? [] : machineEntries(overview, collect, shown.run),
    runs: overview.runs(collect, RUNS_LISTED).map(runEntry),
  };
}

/** The ledger's lines of a run, those that need attention first. */
export function machineEntries(overview: CollectOverview, collect: Collect, run: CollectRun): MachineEntry[] {
  return overview.machines(collect, run).map(machineEntry);
}

export function collectEntry({ collect, from, lastRun }: CollectView): CollectEntry {
  const { name, paths, timetable, folder, graceMs, createdAt, nextAt } = collect;
  return {
    name,
    from,
    paths,
    every: timetable.kind === 'every' ? timetable.text : null,
    cron: timetable.kind === 'cron' ? timetable.text : null,
    folder,
    graceMs,
    createdAt: iso(createdAt),
    nextAt: nextAt === undefined ? null : iso(nextAt),
    lastRun: lastRun === undefined ? null : runEntry(lastRun),
  };
}

function runEntry({ run, newest, expected, counts, files, bytes }: RunView): RunEntry {
  const { left, removed, ...ofMembers } = counts;
  return {
    id: run.id,
    run: run.label,
    dueAt: run.dueAt === undefined ? null : iso(run.dueAt),
    startedAt: iso(run.startedAt),
    newest,
    expected,
    ...ofMembers,
    gone: left + removed,
    files,
    bytes,
  };
}

function machineEntry({ delivery, state, online, folder, progress }: MachineView): MachineEntry {
  const { peer, name, late, askedAt, deliveredAt, files, bytes, filesFailed, failures, tries } = delivery;
  return {
    name,
    id: peer,
    state,
    late,
    online,
    folder,
    askedAt: askedAt === undefined ? null : iso(askedAt),
    deliveredAt: deliveredAt === undefined ? null : iso(deliveredAt),
    files,
    bytes,
    filesFailed,
    failures,
    code: delivery.code ?? null,
    reason: delivery.reason ?? null,
    tries,
    progress: progress ?? null,
  };
}
