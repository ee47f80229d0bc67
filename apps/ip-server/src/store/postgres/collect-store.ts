import { textIn } from '@filer/program';
import { claimedFolder } from '../collect-folders.ts';
import { collectOf, deliveryOf, runOf } from '../collect-rows.ts';
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
import type { SqlValue } from './connections.ts';
import type { PostgresDatabase, Queries } from './database.ts';

/** Collects and their ledger in PostgreSQL. */
export class PostgresCollectStore implements CollectStore {
  readonly #database: PostgresDatabase;
  readonly #inTurn: PostgresDatabase['transaction'];

  constructor(database: PostgresDatabase) {
    this.#database = database;
    this.#inTurn = database.inTurn();
  }

  async all(): Promise<Collect[]> {
    return (await this.#database.all('SELECT * FROM collects ORDER BY name')).map(collectOf);
  }

  async get(name: string): Promise<Collect | undefined> {
    const row = await this.#database.get('SELECT * FROM collects WHERE name = $1', name);
    return row === undefined ? undefined : collectOf(row);
  }

  async add(collect: Collect): Promise<boolean> {
    const { name, sources, paths, timetable, folder, graceMs, createdAt, nextAt } = collect;
    const what = [JSON.stringify(sources), JSON.stringify(paths), timetable.kind, timetable.text, folder];
    return (await this.#database.run(ADD, name, ...what, graceMs, createdAt, nextAt ?? null)) > 0;
  }

  async remove(name: string): Promise<boolean> {
    return (await this.#database.run('DELETE FROM collects WHERE name = $1', name)) > 0;
  }

  async setNext(name: string, before: number, nextAt: number): Promise<boolean> {
    return (await this.#database.run(SET_NEXT, name, before, nextAt)) > 0;
  }

  async claimFolders(root: string, machines: readonly Machine[]): Promise<Expected[]> {
    return await this.#inTurn(async (queries) => {
      // One claim after the other: two servers must not give one folder away twice.
      await queries.run(CLAIMING);
      const rows = await queries.all('SELECT folder, peer FROM collect_folders WHERE root = $1', root);
      const owners = new Map(rows.map((row) => [textIn(row, 'folder'), textIn(row, 'peer')]));
      const claimed: [folder: string, peer: string][] = [];
      const expected = machines.map((machine) => ({
        ...machine,
        folder: claimedFolder(machine, {
          of: (folder) => owners.get(folder),
          set: (folder, peer) => {
            owners.set(folder, peer);
            claimed.push([folder, peer]);
          },
        }),
      }));
      await queries.run(
        CLAIM,
        root,
        claimed.map(([folder]) => folder),
        claimed.map(([, peer]) => peer),
      );
      return expected;
    });
  }

  async begin(run: NewRun): Promise<CollectRun | BeginRefusal> {
    const { id, collect, label, startedAt, expected, delivering, due } = run;
    return await this.#inTurn(async (queries) => {
      // Its row is held: runs of one collect begin one after the other.
      const of = await queries.get('SELECT 1 FROM collects WHERE name = $1 FOR UPDATE', collect);
      if (of === undefined) return 'no-collect';
      if ((await queries.get(LABELLED, collect, label)) !== undefined) return 'label-taken';
      if (due !== undefined && (await queries.run(SET_NEXT, collect, due.at, due.next ?? null)) === 0)
        return 'not-due';
      await queries.run(
        MISS,
        collect,
        delivering.map((each) => each.run),
        delivering.map((each) => each.peer),
      );
      await queries.run(RUN, id, collect, label, due?.at ?? null, startedAt);
      const begun = await newestIn(queries, collect);
      if (begun === undefined) throw new Error('the run was begun in this transaction');
      await queries.run(
        EXPECT,
        begun.number,
        expected.map(({ peer }) => peer),
        expected.map(({ name }) => name),
        expected.map(({ folder }) => folder),
      );
      await queries.run(DROP, collect, RUNS_KEPT);
      return begun;
    });
  }

  async takeUp(): Promise<void> {
    await this.#inTurn(async (queries) => {
      await queries.run(END_EARLIER);
      await queries.run(WAIT);
    });
  }

  async begun(collect: string): Promise<{ readonly folder: string; readonly label: string }[]> {
    return (await this.#database.all(BEGUN, collect)).map((row) => ({
      folder: textIn(row, 'folder'),
      label: textIn(row, 'label'),
    }));
  }

  newest(collect: string): Promise<CollectRun | undefined> {
    return newestIn(this.#database, collect);
  }

  async run(collect: string, name: string): Promise<CollectRun | undefined> {
    const row = await this.#database.get(LABELLED, collect, name);
    return row === undefined ? undefined : runOf(row);
  }

  async runs(collect: string, limit: number): Promise<CollectRun[]> {
    const find = 'SELECT * FROM collect_runs WHERE collect = $1 ORDER BY number DESC LIMIT $2';
    return (await this.#database.all(find, collect, limit)).map(runOf);
  }

  deliveries(run: number): Promise<Delivery[]> {
    return deliveriesIn(this.#database, run);
  }

  asked(run: number, peer: string, at: number): Promise<Delivery | undefined> {
    return this.#changed(ASKED, run, peer, at);
  }

  delivered(run: number, peer: string, { at, files, bytes }: Delivered): Promise<Delivery | undefined> {
    return this.#changed(DELIVERED, run, peer, at, files, bytes);
  }

  failed(
    run: number,
    peer: string,
    { state, code, reason, filesFailed, failures }: FailedTry,
  ): Promise<Delivery | undefined> {
    return this.#changed(FAILED, run, peer, state, filesFailed, JSON.stringify(failures), code, reason);
  }

  gone(run: number, peer: string, state: 'left' | 'removed'): Promise<Delivery | undefined> {
    return this.#changed(GONE, run, peer, state);
  }

  async #changed(
    sql: string,
    run: number,
    peer: string,
    ...values: SqlValue[]
  ): Promise<Delivery | undefined> {
    return await this.#inTurn(async (queries) => {
      await queries.run(sql, run, peer, ...values);
      const row = await queries.get(
        'SELECT * FROM collect_deliveries WHERE run = $1 AND peer = $2',
        run,
        peer,
      );
      return row === undefined ? undefined : deliveryOf(row);
    });
  }

  async late(run: number): Promise<Delivery[]> {
    return await this.#inTurn(async (queries) => {
      await queries.run('UPDATE collect_runs SET is_late = 1 WHERE number = $1', run);
      await queries.run(`UPDATE collect_deliveries SET late = 1 WHERE run = $1 AND ${OPEN}`, run);
      return await deliveriesIn(queries, run);
    });
  }
}

async function newestIn(queries: Queries, collect: string): Promise<CollectRun | undefined> {
  const find = 'SELECT * FROM collect_runs WHERE collect = $1 ORDER BY number DESC LIMIT 1';
  const row = await queries.get(find, collect);
  return row === undefined ? undefined : runOf(row);
}

async function deliveriesIn(queries: Queries, run: number): Promise<Delivery[]> {
  const find = 'SELECT * FROM collect_deliveries WHERE run = $1 ORDER BY name, peer';
  return (await queries.all(find, run)).map(deliveryOf);
}

const OPEN = "state IN ('waiting', 'asked', 'failed')";
const OF_RUN = 'WHERE run = $1 AND peer = $2';

const ADD = 'INSERT INTO collects VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING';
const SET_NEXT = 'UPDATE collects SET next_at = $3 WHERE name = $1 AND next_at = $2';
const CLAIMING = 'LOCK TABLE collect_folders IN SHARE ROW EXCLUSIVE MODE';
const CLAIM =
  'INSERT INTO collect_folders (root, folder, peer) SELECT $1, * FROM unnest($2::text[], $3::text[])';
const LABELLED = 'SELECT * FROM collect_runs WHERE collect = $1 AND (label = $2 OR id = $2)';
const MISS = `
  UPDATE collect_deliveries SET state = 'missing', late = 1
  WHERE run IN (SELECT number FROM collect_runs WHERE collect = $1) AND ${OPEN}
    AND NOT EXISTS (SELECT 1 FROM unnest($2::bigint[], $3::text[]) AS busy (run, peer)
      WHERE busy.run = collect_deliveries.run AND busy.peer = collect_deliveries.peer)`;
const RUN = `
  INSERT INTO collect_runs (id, collect, label, due_at, started_at) VALUES ($1, $2, $3, $4, $5)`;
const EXPECT = `
  INSERT INTO collect_deliveries (run, peer, name, folder, state)
  SELECT $1, peer, name, folder, 'waiting' FROM unnest($2::text[], $3::text[], $4::text[]) AS each (peer, name, folder)`;
const DROP = `
  DELETE FROM collect_runs WHERE collect = $1 AND number <= (
    SELECT number FROM collect_runs WHERE collect = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)`;
const NEWEST = 'SELECT max(number) FROM collect_runs GROUP BY collect';
const END_EARLIER = `
  UPDATE collect_deliveries SET state = 'missing', late = 1 WHERE run NOT IN (${NEWEST}) AND ${OPEN}`;
const WAIT = `UPDATE collect_deliveries SET state = 'waiting' WHERE run IN (${NEWEST}) AND state = 'asked'`;
const BEGUN = `
  SELECT folder, label FROM collect_deliveries JOIN collect_runs ON number = run
  WHERE collect = $1 AND asked_at IS NOT NULL AND ${OPEN}`;
const ASKED = `UPDATE collect_deliveries SET state = 'asked', asked_at = $3 ${OF_RUN} AND ${OPEN}`;
const DELIVERED = `
  UPDATE collect_deliveries SET state = 'delivered', delivered_at = $3, files = $4, bytes = $5, tries = tries + 1,
    files_failed = 0, failures = '[]', code = NULL, reason = NULL ${OF_RUN}`;
const FAILED = `
  UPDATE collect_deliveries SET state = $3::text, late = CASE $3::text WHEN 'missing' THEN 1 ELSE late END, files_failed = $4,
    failures = $5, code = $6, reason = $7, tries = tries + 1 ${OF_RUN} AND ${OPEN}`;
const GONE = `UPDATE collect_deliveries SET state = $3 ${OF_RUN} AND ${OPEN}`;
