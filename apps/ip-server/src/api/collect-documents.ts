import { iso } from '@filer/program';
import type { CollectOverview, CollectView, MachineView, RunView } from '../daemon/collect-overview.ts';
import type { Collect, CollectRun } from '../store/collect-store.ts';
import type {
  CollectEntry,
  CollectsDocument,
  LedgerDocument,
  MachineEntry,
  RunEntry,
} from './contract/collects.ts';

/** Runs that a ledger lists beside its own. */
const RUNS_LISTED = 20;

/** All collects, those with trouble in their last run first, then by name. */
export async function collectsDocument(overview: CollectOverview): Promise<CollectsDocument> {
  return { running: overview.isLive, collects: (await overview.all()).map(collectEntry) };
}

/** @param run undefined for the newest one */
export async function ledgerDocument(
  overview: CollectOverview,
  collect: Collect,
  run?: CollectRun,
): Promise<LedgerDocument> {
  const view = await overview.view(collect);
  const shown = run === undefined ? view.lastRun : await overview.run(run);
  return {
    running: overview.isLive,
    collect: collectEntry(view),
    run: shown === undefined ? null : runEntry(shown),
    machines: shown === undefined ? [] : await machineEntries(overview, collect, shown.run),
    runs: (await overview.runs(collect, RUNS_LISTED)).map(runEntry),
  };
}

/** The ledger's lines of a run, those that need attention first. */
export async function machineEntries(
  overview: CollectOverview,
  collect: Collect,
  run: CollectRun,
): Promise<MachineEntry[]> {
  return (await overview.machines(collect, run)).map(machineEntry);
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
