import { join } from 'node:path';
import { MACHINE_STATES, type DeliveryProgress, type MachineState } from '../api/contract/collects.ts';
import type { Attempt } from '../collect/attempt.ts';
import type { Collects } from '../collect/collects.ts';
import type { Directory } from '../network/directory.ts';
import type { LiveSessions } from '../network/live-sessions.ts';
import type { Collect, CollectRun, CollectStore, Delivery } from '../store/collect-store.ts';

/** One line of the ledger. Times in ms since the epoch. */
export interface MachineView {
  readonly delivery: Delivery;
  readonly state: MachineState;
  readonly online: boolean;
  /** Where its files of this run are; absolute. */
  readonly folder: string;
  /** While it delivers. */
  readonly progress: DeliveryProgress | undefined;
}

export interface RunView {
  readonly run: CollectRun;
  /** Only the newest one is resumed. */
  readonly newest: boolean;
  readonly expected: number;
  readonly counts: Readonly<Record<MachineState, number>>;
  /** That were delivered. */
  readonly files: number;
  readonly bytes: number;
}

export interface CollectView {
  readonly collect: Collect;
  /** `@all`, `@group`, or the name that a machine has now. */
  readonly from: readonly string[];
  readonly lastRun: RunView | undefined;
}

export interface CollectOverviewParts {
  readonly store: CollectStore;
  readonly directory: Directory;
  /** Undefined while the server is stopped. */
  readonly running:
    { readonly live: Pick<LiveSessions, 'of'>; readonly collects: Pick<Collects, 'attempt'> } | undefined;
}

/** What is collected and how that goes: the ledger, and what happens now. */
export class CollectOverview {
  readonly #parts: CollectOverviewParts;

  constructor(parts: CollectOverviewParts) {
    this.#parts = parts;
  }

  get isLive(): boolean {
    return this.#parts.running !== undefined;
  }

  /** Those with trouble in their last run first, then by name. */
  async all(): Promise<CollectView[]> {
    const collects = await this.#parts.store.all();
    const views = await Promise.all(collects.map((collect) => this.view(collect)));
    return views.toSorted((a, b) => troubleOf(b) - troubleOf(a));
  }

  async view(collect: Collect): Promise<CollectView> {
    const { store, directory } = this.#parts;
    const newest = await store.newest(collect.name);
    return {
      collect,
      from: collect.sources.map((source) => directory.get(source)?.membership.name ?? source),
      lastRun: newest === undefined ? undefined : await this.run(newest),
    };
  }

  async run(run: CollectRun): Promise<RunView> {
    const { store, running } = this.#parts;
    const rows = await store.deliveries(run.number);
    const counts = Object.fromEntries(MACHINE_STATES.map((state) => [state, 0])) as Record<
      MachineState,
      number
    >;
    for (const row of rows) counts[stateOf(row, running?.collects.attempt(run.number, row.peer))]++;
    const sum = (key: 'files' | 'bytes'): number => rows.reduce((total, row) => total + row[key], 0);
    const newest = (await store.newest(run.collect))?.number === run.number;
    return { run, newest, expected: rows.length, counts, files: sum('files'), bytes: sum('bytes') };
  }

  /** The newest first. */
  async runs(collect: Collect, limit: number): Promise<RunView[]> {
    const runs = await this.#parts.store.runs(collect.name, limit);
    return await Promise.all(runs.map((run) => this.run(run)));
  }

  /** The ledger of a run, those that need attention first. */
  async machines({ folder }: Collect, run: CollectRun): Promise<MachineView[]> {
    const { store, running } = this.#parts;
    const deliveries = await store.deliveries(run.number);
    return deliveries
      .map((delivery) => {
        const attempt = running?.collects.attempt(run.number, delivery.peer);
        return {
          delivery,
          state: stateOf(delivery, attempt),
          online: running?.live.of(delivery.peer) !== undefined,
          folder: join(folder, delivery.folder, run.label),
          progress: attempt?.phase === 'delivering' ? attempt.progress : undefined,
        };
      })
      .toSorted((a, b) => MACHINE_STATES.indexOf(a.state) - MACHINE_STATES.indexOf(b.state));
  }
}

function stateOf({ state, late }: Delivery, attempt: Attempt | undefined): MachineState {
  if (attempt?.phase === 'delivering') return 'delivering';
  return late && (state === 'waiting' || state === 'asked') ? 'late' : state;
}

function troubleOf({ lastRun }: CollectView): number {
  if (lastRun === undefined) return 0;
  const { missing, late, failed } = lastRun.counts;
  return missing + late + failed;
}
