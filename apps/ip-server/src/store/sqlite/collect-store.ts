import { textIn, type Database, type Statements } from '@filer/program';
import { claimedFolder } from '../collect-folders.ts';
import {
  RUNS_KEPT,
  type BeginRefusal,
  type Collect,
  type CollectRun,
  type CollectStore,
  type Delivered,
  type Delivery,
  type Expected,
  type FailedTry,
  type Machine,
  type NewRun,
} from '../collect-store.ts';
import { collectOf, deliveryOf, runOf } from '../collect-rows.ts';

/** Collects and their ledger in the embedded database. */
export class SqliteCollectStore implements CollectStore {
  readonly #database: Database;
  readonly #statements: Statements<typeof STATEMENTS>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = database.prepareAll(STATEMENTS);
  }

  async all(): Promise<Collect[]> {
    return this.#statements.all.all().map(collectOf);
  }

  async get(name: string): Promise<Collect | undefined> {
    const row = this.#statements.get.get(name);
    return row === undefined ? undefined : collectOf(row);
  }

  async add(collect: Collect): Promise<boolean> {
    const { name, sources, paths, timetable, folder, graceMs, createdAt, nextAt } = collect;
    const { kind, text: when } = timetable;
    const what = [JSON.stringify(sources), JSON.stringify(paths), kind, when, folder] as const;
    return this.#statements.add.run(name, ...what, graceMs, createdAt, nextAt ?? null).changes > 0;
  }

  async remove(name: string): Promise<boolean> {
    return this.#statements.remove.run(name).changes > 0;
  }

  async setNext(name: string, before: number, nextAt: number): Promise<boolean> {
    return this.#statements.setNext.run(nextAt, name, before).changes > 0;
  }

  async claimFolders(root: string, machines: readonly Machine[]): Promise<Expected[]> {
    const { ownerOf, own } = this.#statements;
    const owners = {
      of: (folder: string) => {
        const row = ownerOf.get(root, folder);
        return row === undefined ? undefined : textIn(row, 'peer');
      },
      set: (folder: string, peer: string) => void own.run(root, folder, peer),
    };
    return this.#database.transaction(() =>
      machines.map((machine) => ({ ...machine, folder: claimedFolder(machine, owners) })),
    );
  }

  async begin(run: NewRun): Promise<CollectRun | BeginRefusal> {
    const { id, collect, label, startedAt, expected, delivering, due } = run;
    const { get, begin, labelled, expect, drop, setNext, miss } = this.#statements;
    return this.#database.transaction(() => {
      if (get.get(collect) === undefined) return 'no-collect';
      if (labelled.get(collect, label, label) !== undefined) return 'label-taken';
      if (due !== undefined && setNext.run(due.next ?? null, collect, due.at).changes === 0) return 'not-due';
      const busy = new Set(delivering.map((each) => `${each.run} ${each.peer}`));
      for (const row of this.#statements.open.all(collect)) {
        const [before, peer] = [Number(row['run']), textIn(row, 'peer')];
        if (!busy.has(`${before} ${peer}`)) miss.run(before, peer);
      }
      begin.run(id, collect, label, due?.at ?? null, startedAt);
      const begun = this.#newest(collect);
      if (begun === undefined) throw new Error('the run was begun in this transaction');
      for (const { peer, name, folder } of expected) expect.run(begun.number, peer, name, folder);
      drop.run(collect, collect, RUNS_KEPT);
      return begun;
    });
  }

  async takeUp(): Promise<void> {
    const { all, endBefore, wait } = this.#statements;
    this.#database.transaction(() => {
      for (const { name } of all.all().map(collectOf)) {
        const newest = this.#newest(name)?.number;
        if (newest === undefined) continue;
        endBefore.run(name, newest);
        wait.run(newest);
      }
    });
  }

  async begun(collect: string): Promise<{ readonly folder: string; readonly label: string }[]> {
    return this.#statements.begun
      .all(collect)
      .map((row) => ({ folder: textIn(row, 'folder'), label: textIn(row, 'label') }));
  }

  async newest(collect: string): Promise<CollectRun | undefined> {
    return this.#newest(collect);
  }

  #newest(collect: string): CollectRun | undefined {
    const row = this.#statements.newest.get(collect);
    return row === undefined ? undefined : runOf(row);
  }

  async run(collect: string, name: string): Promise<CollectRun | undefined> {
    const row = this.#statements.labelled.get(collect, name, name);
    return row === undefined ? undefined : runOf(row);
  }

  async runs(collect: string, limit: number): Promise<CollectRun[]> {
    return this.#statements.runs.all(collect, limit).map(runOf);
  }

  async deliveries(run: number): Promise<Delivery[]> {
    return this.#statements.deliveries.all(run).map(deliveryOf);
  }

  async asked(run: number, peer: string, at: number): Promise<Delivery | undefined> {
    return this.#changed(run, peer, () => this.#statements.asked.run(at, run, peer));
  }

  async delivered(run: number, peer: string, { at, files, bytes }: Delivered): Promise<Delivery | undefined> {
    return this.#changed(run, peer, () => this.#statements.delivered.run(at, files, bytes, run, peer));
  }

  async failed(
    run: number,
    peer: string,
    { state, code, reason, filesFailed, failures }: FailedTry,
  ): Promise<Delivery | undefined> {
    const texts = [JSON.stringify(failures), code, reason] as const;
    return this.#changed(run, peer, () =>
      this.#statements.failed.run(state, filesFailed, ...texts, run, peer),
    );
  }

  async gone(run: number, peer: string, state: 'left' | 'removed'): Promise<Delivery | undefined> {
    return this.#changed(run, peer, () => this.#statements.gone.run(state, run, peer));
  }

  #changed(run: number, peer: string, change: () => unknown): Delivery | undefined {
    return this.#database.transaction(() => {
      change();
      const row = this.#statements.delivery.get(run, peer);
      return row === undefined ? undefined : deliveryOf(row);
    });
  }

  async late(run: number): Promise<Delivery[]> {
    const { runLate, late, deliveries } = this.#statements;
    return this.#database.transaction(() => {
      runLate.run(run);
      late.run(run);
      return deliveries.all(run).map(deliveryOf);
    });
  }
}

const OPEN = "state IN ('waiting', 'asked', 'failed')";

const OF_RUN = 'WHERE run = ? AND peer = ?';
const STATEMENTS = {
  all: 'SELECT * FROM collects ORDER BY name',
  get: 'SELECT * FROM collects WHERE name = ?',
  add: 'INSERT INTO collects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  remove: 'DELETE FROM collects WHERE name = ?',
  setNext: 'UPDATE collects SET next_at = ? WHERE name = ? AND next_at = ?',
  begin: 'INSERT INTO collect_runs (id, collect, label, due_at, started_at) VALUES (?, ?, ?, ?, ?)',
  newest: 'SELECT * FROM collect_runs WHERE collect = ? ORDER BY number DESC LIMIT 1',
  expect: "INSERT INTO collect_deliveries (run, peer, name, folder, state) VALUES (?, ?, ?, ?, 'waiting')",
  drop: `
    DELETE FROM collect_runs WHERE collect = ? AND number <= (
      SELECT number FROM collect_runs WHERE collect = ? ORDER BY number DESC LIMIT 1 OFFSET ?)`,
  open: `
    SELECT run, peer FROM collect_deliveries
    WHERE run IN (SELECT number FROM collect_runs WHERE collect = ?) AND ${OPEN}`,
  begun: `
    SELECT folder, label FROM collect_deliveries JOIN collect_runs ON number = run
    WHERE collect = ? AND asked_at IS NOT NULL AND ${OPEN}`,
  endBefore: `
    UPDATE collect_deliveries SET state = 'missing', late = 1
    WHERE run IN (SELECT number FROM collect_runs WHERE collect = ? AND number < ?) AND ${OPEN}`,
  wait: "UPDATE collect_deliveries SET state = 'waiting' WHERE run = ? AND state = 'asked'",
  miss: `UPDATE collect_deliveries SET state = 'missing', late = 1 ${OF_RUN} AND ${OPEN}`,
  labelled: 'SELECT * FROM collect_runs WHERE collect = ? AND (label = ? OR id = ?)',
  runs: 'SELECT * FROM collect_runs WHERE collect = ? ORDER BY number DESC LIMIT ?',
  deliveries: 'SELECT * FROM collect_deliveries WHERE run = ? ORDER BY name, peer',
  delivery: `SELECT * FROM collect_deliveries ${OF_RUN}`,
  asked: `UPDATE collect_deliveries SET state = 'asked', asked_at = ? ${OF_RUN} AND ${OPEN}`,
  delivered: `
    UPDATE collect_deliveries SET state = 'delivered', delivered_at = ?, files = ?, bytes = ?, tries = tries + 1,
      files_failed = 0, failures = '[]', code = NULL, reason = NULL ${OF_RUN}`,
  failed: `
    UPDATE collect_deliveries SET state = ?1, late = max(late, ?1 = 'missing'), files_failed = ?, failures = ?,
      code = ?, reason = ?, tries = tries + 1 ${OF_RUN} AND ${OPEN}`,
  gone: `UPDATE collect_deliveries SET state = ? ${OF_RUN} AND ${OPEN}`,
  runLate: 'UPDATE collect_runs SET is_late = 1 WHERE number = ?',
  late: `UPDATE collect_deliveries SET late = 1 WHERE run = ? AND ${OPEN}`,
  ownerOf: 'SELECT peer FROM collect_folders WHERE root = ? AND folder = ?',
  own: 'INSERT INTO collect_folders (root, folder, peer) VALUES (?, ?, ?)',
};
