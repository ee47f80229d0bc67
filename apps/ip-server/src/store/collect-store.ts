import type { ErrorCode } from '@filer/protocol';
import { textIn, type Database, type Statement } from '@filer/program';
import {
  collectOf,
  deliveryOf,
  runOf,
  type Collect,
  type CollectRun,
  type Delivery,
  type FileFailure,
} from './collect-rows.ts';

/** Runs of one collect whose ledger is kept. */
const RUNS_KEPT = 500;

/** How a try to get a machine's files ended without them. */
export interface FailedTry {
  /** `waiting` when it only lost the connection. */
  readonly state: 'failed' | 'waiting';
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

/** Collects and their ledger. Each method is one transaction and throws a FilerError when the store fails. */
export class CollectStore {
  readonly #database: Database;
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepareAll(database);
  }

  /** All of `work` in one transaction. */
  together<T>(work: () => T): T {
    return this.#database.transaction(work);
  }

  /** By name. */
  all(): Collect[] {
    return this.#statements.all.all().map(collectOf);
  }

  get(name: string): Collect | undefined {
    const row = this.#statements.get.get(name);
    return row === undefined ? undefined : collectOf(row);
  }

  /** @returns whether the name was free */
  add({ name, sources, paths, timetable, folder, graceMs, createdAt, nextAt }: Collect): boolean {
    const { kind, text: when } = timetable;
    const what = [JSON.stringify(sources), JSON.stringify(paths), kind, when, folder] as const;
    return this.#statements.add.run(name, ...what, graceMs, createdAt, nextAt ?? null).changes > 0;
  }

  /** With its ledger. @returns whether there was one */
  remove(name: string): boolean {
    return this.#statements.remove.run(name).changes > 0;
  }

  setNext(name: string, nextAt: number | undefined): void {
    this.#statements.setNext.run(nextAt ?? null, name);
  }

  /**
   * A run begins: those who have not delivered in the runs before it are missing there, but for who is just delivering.
   *
   * @param delivering by number of the run
   * @param nextAt when the next one is due
   */
  begin(
    { id, collect, label, dueAt, startedAt }: Omit<CollectRun, 'number' | 'isLate'>,
    expected: readonly Pick<Delivery, 'peer' | 'name' | 'folder'>[],
    delivering: ReadonlyMap<number, ReadonlySet<string>>,
    nextAt: number | undefined,
  ): CollectRun {
    const { begin, newest, expect, drop, setNext } = this.#statements;
    return this.#database.transaction(() => {
      this.#endOlder(collect, delivering);
      begin.run(id, collect, label, dueAt ?? null, startedAt);
      const run = newest.get(collect);
      if (run === undefined) throw new Error('the run was begun in this transaction');
      const begun = runOf(run);
      for (const { peer, name, folder } of expected) expect.run(begun.number, peer, name, folder);
      drop.run(collect, collect, RUNS_KEPT);
      setNext.run(nextAt ?? null, collect);
      return begun;
    });
  }

  /** Takes up what a server that was killed left: nobody delivers in runs before the newest one, and nobody is asked. */
  takeUp(): void {
    this.#database.transaction(() => {
      for (const { name } of this.all()) {
        const newest = this.newest(name)?.number;
        if (newest === undefined) continue;
        this.#statements.endBefore.run(name, newest);
        this.#statements.wait.run(newest);
      }
    });
  }

  #endOlder(collect: string, delivering: ReadonlyMap<number, ReadonlySet<string>>): void {
    for (const row of this.#statements.open.all(collect)) {
      const run = Number(row['run']);
      const peer = String(row['peer']);
      if (delivering.get(run)?.has(peer) !== true) this.#statements.miss.run(run, peer);
    }
  }

  /** Where files may have begun to come and did not all come, in whatever run that is not over. */
  begun(collect: string): { readonly folder: string; readonly label: string }[] {
    return this.#statements.begun
      .all(collect)
      .map((row) => ({ folder: textIn(row, 'folder'), label: textIn(row, 'label') }));
  }

  newest(collect: string): CollectRun | undefined {
    const row = this.#statements.newest.get(collect);
    return row === undefined ? undefined : runOf(row);
  }

  /** @param name its label or its id */
  run(collect: string, name: string): CollectRun | undefined {
    const row = this.#statements.run.get(collect, name, name);
    return row === undefined ? undefined : runOf(row);
  }

  /** The newest first. */
  runs(collect: string, limit: number): CollectRun[] {
    return this.#statements.runs.all(collect, limit).map(runOf);
  }

  /** By name. */
  deliveries(run: number): Delivery[] {
    return this.#statements.deliveries.all(run).map(deliveryOf);
  }

  delivery(run: number, peer: string): Delivery | undefined {
    const row = this.#statements.delivery.get(run, peer);
    return row === undefined ? undefined : deliveryOf(row);
  }

  asked(run: number, peer: string, at: number): void {
    this.#statements.asked.run(at, run, peer);
  }

  delivered(run: number, peer: string, { at, files, bytes }: Delivered): void {
    this.#statements.delivered.run(at, files, bytes, run, peer);
  }

  failed(run: number, peer: string, { state, code, reason, filesFailed, failures }: FailedTry): void {
    const texts = [JSON.stringify(failures), code, reason] as const;
    this.#statements.failed.run(state, filesFailed, ...texts, run, peer);
  }

  missed(run: number, peer: string): void {
    this.#statements.miss.run(run, peer);
  }

  /** It is no member any more. */
  gone(run: number, peer: string, state: 'left' | 'removed'): void {
    this.#statements.gone.run(state, run, peer);
  }

  /** The grace of a run is over: who has not delivered is late. */
  late(run: number): void {
    this.#database.transaction(() => {
      this.#statements.runLate.run(run);
      this.#statements.late.run(run);
    });
  }

  /** Whose files a folder below the folder of a collect holds. */
  ownerOf(root: string, folder: string): string | undefined {
    const peer = this.#statements.ownerOf.get(root, folder)?.['peer'];
    return typeof peer === 'string' ? peer : undefined;
  }

  /** Gives a folder that has no owner one, for ever. */
  own(root: string, folder: string, peer: string): void {
    this.#statements.own.run(root, folder, peer);
  }
}

const OPEN = "state IN ('waiting', 'asked', 'failed')";

function prepareAll(
  database: Database,
): Record<
  | 'all'
  | 'get'
  | 'add'
  | 'remove'
  | 'setNext'
  | 'begin'
  | 'newest'
  | 'expect'
  | 'drop'
  | 'open'
  | 'begun'
  | 'endBefore'
  | 'wait'
  | 'miss'
  | 'run'
  | 'runs'
  | 'deliveries'
  | 'delivery'
  | 'asked'
  | 'delivered'
  | 'failed'
  | 'gone'
  | 'runLate'
  | 'late'
  | 'ownerOf'
  | 'own',
  Statement
> {
  const sql = (statement: string): Statement => database.prepare(statement);
  const ofRun = 'WHERE run = ? AND peer = ?';
  return {
    all: sql('SELECT * FROM collects ORDER BY name'),
    get: sql('SELECT * FROM collects WHERE name = ?'),
    add: sql('INSERT INTO collects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    remove: sql('DELETE FROM collects WHERE name = ?'),
    setNext: sql('UPDATE collects SET next_at = ? WHERE name = ?'),
    begin: sql('INSERT INTO collect_runs (id, collect, label, due_at, started_at) VALUES (?, ?, ?, ?, ?)'),
    newest: sql('SELECT * FROM collect_runs WHERE collect = ? ORDER BY number DESC LIMIT 1'),
    expect: sql(
      "INSERT INTO collect_deliveries (run, peer, name, folder, state) VALUES (?, ?, ?, ?, 'waiting')",
    ),
    drop: sql(`
      DELETE FROM collect_runs WHERE collect = ? AND number <= (
        SELECT number FROM collect_runs WHERE collect = ? ORDER BY number DESC LIMIT 1 OFFSET ?)`),
    open: sql(`
      SELECT run, peer FROM collect_deliveries
      WHERE run IN (SELECT number FROM collect_runs WHERE collect = ?) AND ${OPEN}`),
    begun: sql(`
      SELECT folder, label FROM collect_deliveries JOIN collect_runs ON number = run
      WHERE collect = ? AND asked_at IS NOT NULL AND ${OPEN}`),
    endBefore: sql(`
      UPDATE collect_deliveries SET state = 'missing', late = 1
      WHERE run IN (SELECT number FROM collect_runs WHERE collect = ? AND number < ?) AND ${OPEN}`),
    wait: sql("UPDATE collect_deliveries SET state = 'waiting' WHERE run = ? AND state = 'asked'"),
    miss: sql(`UPDATE collect_deliveries SET state = 'missing', late = 1 ${ofRun} AND ${OPEN}`),
    run: sql('SELECT * FROM collect_runs WHERE collect = ? AND (label = ? OR id = ?)'),
    runs: sql('SELECT * FROM collect_runs WHERE collect = ? ORDER BY number DESC LIMIT ?'),
    deliveries: sql('SELECT * FROM collect_deliveries WHERE run = ? ORDER BY name, peer'),
    delivery: sql(`SELECT * FROM collect_deliveries ${ofRun}`),
    asked: sql(`UPDATE collect_deliveries SET state = 'asked', asked_at = ? ${ofRun} AND ${OPEN}`),
    delivered: sql(`
      UPDATE collect_deliveries SET state = 'delivered', delivered_at = ?, files = ?, bytes = ?, tries = tries + 1,
        files_failed = 0, failures = '[]', code = NULL, reason = NULL ${ofRun}`),
    failed: sql(`
      UPDATE collect_deliveries SET state = ?, files_failed = ?, failures = ?, code = ?, reason = ?,
        tries = tries + 1 ${ofRun} AND ${OPEN}`),
    gone: sql(`UPDATE collect_deliveries SET state = ? ${ofRun} AND ${OPEN}`),
    runLate: sql('UPDATE collect_runs SET is_late = 1 WHERE number = ?'),
    late: sql(`UPDATE collect_deliveries SET late = 1 WHERE run = ? AND ${OPEN}`),
    ownerOf: sql('SELECT peer FROM collect_folders WHERE root = ? AND folder = ?'),
    own: sql('INSERT INTO collect_folders (root, folder, peer) VALUES (?, ?, ?)'),
  };
}
