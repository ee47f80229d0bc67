import { textIn } from '@filer/program';
import { claimedFolder } from '../collect-folders.ts';
import { begunOf, collectOf, deliveryOf, runOf, valuesOfCollect, valuesOfDelivery } from '../collect-rows.ts';
import { COLLECT_STATEMENTS, OPEN } from '../collect-statements.ts';
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
import { afterAsking, afterDelivery, afterEnd, afterFailure } from '../delivery-rules.ts';
import { numbered, type PostgresDatabase } from './database.ts';

/** Collects and their ledger in PostgreSQL. */
export class PostgresCollectStore implements CollectStore {
  readonly #database: PostgresDatabase;
  readonly #inTurn: PostgresDatabase['transaction'];

  constructor(database: PostgresDatabase) {
    this.#database = database;
    this.#inTurn = database.inTurn();
  }

  async all(): Promise<Collect[]> {
    return (await this.#database.all(SQL.all)).map(collectOf);
  }

  async get(name: string): Promise<Collect | undefined> {
    const row = await this.#database.get(SQL.get, name);
    return row && collectOf(row);
  }

  async add(collect: Collect): Promise<boolean> {
    return (await this.#database.run(SQL.add, ...valuesOfCollect(collect))) > 0;
  }

  async remove(name: string): Promise<boolean> {
    return (await this.#database.run(SQL.remove, name)) > 0;
  }

  async setNext(name: string, before: number, nextAt: number): Promise<boolean> {
    return (await this.#database.run(SQL.setNext, name, before, nextAt)) > 0;
  }

  async claimFolders(root: string, machines: readonly Machine[]): Promise<Expected[]> {
    return await this.#inTurn(async (queries) => {
      // One claim after the other: two servers must not give one folder away twice.
      await queries.run(SQL.claiming);
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
        SQL.claim,
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
      const of = await queries.get(`${SQL.get} FOR UPDATE`, collect);
      if (of === undefined) return 'no-collect';
      if ((await queries.get(SQL.labelled, collect, label)) !== undefined) return 'label-taken';
      if (due !== undefined && (await queries.run(SQL.setNext, collect, due.at, due.next ?? null)) === 0)
        return 'not-due';
      await queries.run(
        SQL.miss,
        collect,
        delivering.map((each) => each.run),
        delivering.map((each) => each.peer),
      );
      const begun = begunOf(await queries.get(SQL.begin, id, collect, label, due?.at ?? null, startedAt));
      await queries.run(
        SQL.expect,
        begun.number,
        expected.map(({ peer }) => peer),
        expected.map(({ name }) => name),
        expected.map(({ folder }) => folder),
      );
      await queries.run(SQL.drop, collect, RUNS_KEPT);
      return begun;
    });
  }

  async takeUp(): Promise<void> {
    await this.#inTurn(async (queries) => {
      await queries.run(SQL.endEarlier);
      await queries.run(SQL.wait);
    });
  }

  async begun(collect: string): Promise<{ readonly folder: string; readonly label: string }[]> {
    return (await this.#database.all(SQL.begun, collect)).map((row) => ({
      folder: textIn(row, 'folder'),
      label: textIn(row, 'label'),
    }));
  }

  async newest(collect: string): Promise<CollectRun | undefined> {
    const row = await this.#database.get(SQL.newest, collect);
    return row && runOf(row);
  }

  async run(collect: string, name: string): Promise<CollectRun | undefined> {
    const row = await this.#database.get(SQL.labelled, collect, name);
    return row && runOf(row);
  }

  async runs(collect: string, limit: number): Promise<CollectRun[]> {
    return (await this.#database.all(SQL.runs, collect, limit)).map(runOf);
  }

  async deliveries(run: number): Promise<Delivery[]> {
    return (await this.#database.all(SQL.deliveries, run)).map(deliveryOf);
  }

  asked(run: number, peer: string, at: number): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterAsking(before, at));
  }

  delivered(run: number, peer: string, delivered: Delivered): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterDelivery(before, delivered));
  }

  failed(run: number, peer: string, failed: FailedTry): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterFailure(before, failed));
  }

  gone(run: number, peer: string, state: 'left' | 'removed'): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterEnd(before, state));
  }

  /** @returns the delivery as it is now */
  async #change(
    run: number,
    peer: string,
    rule: (before: Delivery) => Delivery,
  ): Promise<Delivery | undefined> {
    return await this.#inTurn(async (queries) => {
      // Another server may change it too.
      const row = await queries.get(`${SQL.delivery} FOR UPDATE`, run, peer);
      const after = row && rule(deliveryOf(row));
      if (after !== undefined) await queries.run(SQL.changeDelivery, ...valuesOfDelivery(run, after));
      return after;
    });
  }

  async late(run: number): Promise<Delivery[]> {
    return await this.#inTurn(async (queries) => {
      await queries.run(SQL.runLate, run);
      await queries.run(SQL.late, run);
      return (await queries.all(SQL.deliveries, run)).map(deliveryOf);
    });
  }
}

const SQL = {
  ...numbered(COLLECT_STATEMENTS),
  claiming: 'LOCK TABLE collect_folders IN SHARE ROW EXCLUSIVE MODE',
  claim: 'INSERT INTO collect_folders (root, folder, peer) SELECT $1, * FROM unnest($2::text[], $3::text[])',
  miss: `
    UPDATE collect_deliveries SET state = 'missing', late = 1
    WHERE run IN (SELECT number FROM collect_runs WHERE collect = $1) AND ${OPEN}
      AND NOT EXISTS (SELECT 1 FROM unnest($2::bigint[], $3::text[]) AS busy (run, peer)
        WHERE busy.run = collect_deliveries.run AND busy.peer = collect_deliveries.peer)`,
  expect: `
    INSERT INTO collect_deliveries (run, peer, name, folder, state)
    SELECT $1, peer, name, folder, 'waiting' FROM unnest($2::text[], $3::text[], $4::text[]) AS each (peer, name, folder)`,
};
