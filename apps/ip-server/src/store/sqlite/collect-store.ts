import { integerIn, textIn, type Database, type Statements } from '@filer/program';
import { claimedFolder } from '../collect-folders.ts';
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
import { afterAsking, afterDelivery, afterEnd, afterFailure } from '../delivery-rules.ts';

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
    return row && collectOf(row);
  }

  async add(collect: Collect): Promise<boolean> {
    return this.#statements.add.run(...valuesOfCollect(collect)).changes > 0;
  }

  async remove(name: string): Promise<boolean> {
    return this.#statements.remove.run(name).changes > 0;
  }

  async setNext(name: string, before: number, nextAt: number): Promise<boolean> {
    return this.#statements.setNext.run(name, before, nextAt).changes > 0;
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
    const { get, begin, labelled, open, expect, drop, setNext } = this.#statements;
    return this.#database.transaction(() => {
      if (get.get(collect) === undefined) return 'no-collect';
      if (labelled.get(collect, label) !== undefined) return 'label-taken';
      if (due !== undefined && setNext.run(collect, due.at, due.next ?? null).changes === 0) return 'not-due';
      const busy = new Set(delivering.map((each) => `${each.run} ${each.peer}`));
      for (const row of open.all(collect)) {
        const [before, peer] = [integerIn(row, 'run'), textIn(row, 'peer')];
        if (!busy.has(`${before} ${peer}`))
          this.#change(before, peer, (delivery) => afterEnd(delivery, 'missing'));
      }
      const begun = begunOf(begin.get(id, collect, label, due?.at ?? null, startedAt));
      for (const { peer, name, folder } of expected) expect.run(begun.number, peer, name, folder);
      drop.run(collect, RUNS_KEPT);
      return begun;
    });
  }

  async takeUp(): Promise<void> {
    const { endEarlier, wait } = this.#statements;
    this.#database.transaction(() => {
      endEarlier.run();
      wait.run();
    });
  }

  async begun(collect: string): Promise<Begun[]> {
    return this.#statements.begun.all(collect).map(begunDeliveryOf);
  }

  async newest(collect: string): Promise<CollectRun | undefined> {
    const row = this.#statements.newest.get(collect);
    return row && runOf(row);
  }

  async run(collect: string, name: string): Promise<CollectRun | undefined> {
    const row = this.#statements.labelled.get(collect, name);
    return row && runOf(row);
  }

  async runs(collect: string, limit: number): Promise<CollectRun[]> {
    return this.#statements.runs.all(collect, limit).map(runOf);
  }

  async deliveries(run: number): Promise<Delivery[]> {
    return this.#statements.deliveries.all(run).map(deliveryOf);
  }

  async asked(run: number, peer: string, at: number): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterAsking(before, at));
  }

  async delivered(run: number, peer: string, delivered: Delivered): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterDelivery(before, delivered));
  }

  async failed(run: number, peer: string, failed: FailedTry): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterFailure(before, failed));
  }

  async gone(run: number, peer: string, state: 'left' | 'removed'): Promise<Delivery | undefined> {
    return this.#change(run, peer, (before) => afterEnd(before, state));
  }

  /** One transaction, or within one. @returns the delivery as it is now */
  #change(run: number, peer: string, rule: (before: Delivery) => Delivery): Delivery | undefined {
    const { delivery, changeDelivery } = this.#statements;
    return this.#database.transaction(() => {
      const row = delivery.get(run, peer);
      const after = row && rule(deliveryOf(row));
      if (after !== undefined) changeDelivery.run(...valuesOfDelivery(run, after));
      return after;
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

const STATEMENTS = {
  ...COLLECT_STATEMENTS,
  open: `
    SELECT run, peer FROM collect_deliveries
    WHERE run IN (SELECT number FROM collect_runs WHERE collect = ?) AND ${OPEN}`,
  expect: "INSERT INTO collect_deliveries (run, peer, name, folder, state) VALUES (?, ?, ?, ?, 'waiting')",
  ownerOf: 'SELECT peer FROM collect_folders WHERE root = ? AND folder = ?',
  own: 'INSERT INTO collect_folders (root, folder, peer) VALUES (?, ?, ?)',
};
