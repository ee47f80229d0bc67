import { textIn } from '@filer/program';
import { claimedFolder } from '../collect-folders.ts';
import {
  begunDeliveryOf,
  begunOf,
  collectOf,
  deliveryOf,
  runOf,
  valuesOfCollect,
  valuesOfDelivery,
} from '../collect-rows.ts';
import { COLLECT_STATEMENTS, OPEN } from '../collect-statements.ts';
import {
  RUNS_KEPT,
  type BeginRefusal,
  type Begun,
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
import { ALIVE, type Here } from './server-store.ts';

/** Collects and their ledger in PostgreSQL. */
export class PostgresCollectStore implements CollectStore {
  readonly #database: PostgresDatabase;
  readonly #inTurn: PostgresDatabase['transaction'];
  readonly #here: Here;

  constructor(database: PostgresDatabase, here: Here) {
    this.#database = database;
    this.#here = here;
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
        this.#here.server,
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
      await queries.run(SQL.endEarlier, this.#here.server);
      await queries.run(SQL.wait, this.#here.server);
    });
  }

  async begun(collect: string): Promise<Begun[]> {
    return (await this.#database.all(SQL.begun, collect, this.#here.server)).map(begunDeliveryOf);
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

  async deliveries(run: number, withinMs?: number): Promise<Delivery[]> {
    const { server } = this.#here;
    const rows =
      withinMs === undefined
        ? await this.#database.all(SQL.deliveries, run, server)
        : await this.#database.all(SQL.changed, run, server, withinMs);
    return rows.map(deliveryOf);
  }

  asked(run: number, peer: string, at: number, receives = false): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterAsking(before, at), receives);
  }

  delivered(run: number, peer: string, delivered: Delivered): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterDelivery(before, delivered));
  }

  failed(run: number, peer: string, failed: FailedTry): Promise<Delivery | undefined> {
    // It is at another server meanwhile: what failed here is old news.
    return this.#change(run, peer, (before) => (before.elsewhere ? before : afterFailure(before, failed)));
  }

  gone(run: number, peer: string, state: 'left' | 'removed'): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterEnd(before, state));
  }

  /** @returns the delivery as it is now */
  async #change(
    run: number,
    peer: string,
    rule: (before: Delivery) => Delivery,
    receives = false,
  ): Promise<Delivery | undefined> {
    return await this.#inTurn(async (queries) => {
      const { server } = this.#here;
      // Another server may change it too.
      const row = await queries.get(`${SQL.delivery} FOR UPDATE`, run, peer, server);
      const before = row && deliveryOf(row);
      const after = before && rule(before);
      if (after === undefined || after === before) return after;
      await queries.run(SQL.changeDelivery, ...valuesOfDelivery(run, after), server, Number(receives));
      return { ...after, elsewhere: false };
    });
  }

  async late(run: number): Promise<Delivery[]> {
    return await this.#inTurn(async (queries) => {
      await queries.run(SQL.runLate, run);
      await queries.run(SQL.late, run);
      return (await queries.all(SQL.deliveries, run, this.#here.server)).map(deliveryOf);
    });
  }
}

/** What is done by another server that lives. @param here number of the value that is the own server */
const atOther = (here: number): string =>
  `collect_deliveries.server <> $${here}::text AND EXISTS (
    SELECT 1 FROM servers WHERE servers.id = collect_deliveries.server AND ${ALIVE})`;
const isElsewhere = (here: number): string => `(receiving = 1 AND ${atOther(here)})`;

const { endEarlier, wait, late, changeDelivery, ...SAME } = numbered(COLLECT_STATEMENTS);
const NOW_CHANGED = 'SET changed_at = clock_timestamp(),';
/** The server that received it is dead: it does not continue when it comes back. */
const NOW_OVER = `${NOW_CHANGED} receiving = 0,`;
const DELIVERIES = `SELECT *, ${isElsewhere(2)} AS elsewhere FROM collect_deliveries WHERE run = $1`;

const SQL = {
  ...SAME,
  endEarlier: `${endEarlier.replace('SET', NOW_OVER)} AND NOT ${isElsewhere(1)}`,
  wait: `${wait.replace('SET', NOW_OVER)} AND NOT (${atOther(1)})`,
  late: late.replace('SET', NOW_CHANGED),
  changeDelivery: changeDelivery.replace('SET', `${NOW_CHANGED} server = $14, receiving = $15,`),
  begun: `
    SELECT collect_runs.id, label, peer, folder, ${isElsewhere(2)} AS elsewhere
    FROM collect_deliveries JOIN collect_runs ON number = run
    WHERE collect = $1 AND asked_at IS NOT NULL AND ${OPEN}`,
  deliveries: `${DELIVERIES} ORDER BY name, peer`,
  changed: `${DELIVERIES} AND changed_at > clock_timestamp() - $3 * interval '1 millisecond'`,
  delivery: `SELECT *, ${isElsewhere(3)} AS elsewhere FROM collect_deliveries WHERE run = $1 AND peer = $2`,
  claiming: 'LOCK TABLE collect_folders IN SHARE ROW EXCLUSIVE MODE',
  claim: 'INSERT INTO collect_folders (root, folder, peer) SELECT $1, * FROM unnest($2::text[], $3::text[])',
  miss: `
    UPDATE collect_deliveries ${NOW_OVER} state = 'missing', late = 1
    WHERE run IN (SELECT number FROM collect_runs WHERE collect = $1) AND ${OPEN} AND NOT ${isElsewhere(4)}
      AND NOT EXISTS (SELECT 1 FROM unnest($2::bigint[], $3::text[]) AS busy (run, peer)
        WHERE busy.run = collect_deliveries.run AND busy.peer = collect_deliveries.peer)`,
  expect: `
    INSERT INTO collect_deliveries (run, peer, name, folder, state)
    SELECT $1, peer, name, folder, 'waiting' FROM unnest($2::text[], $3::text[], $4::text[]) AS each (peer, name, folder)`,
};
