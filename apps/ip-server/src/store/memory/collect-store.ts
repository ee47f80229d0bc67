import { claimedFolder } from '../collect-folders.ts';
import {
  afterAsking,
  afterDelivery,
  afterEnd,
  afterFailure,
  afterGrace,
  expected,
  isOpen,
} from '../delivery-rules.ts';
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

interface KeptRun {
  run: CollectRun;
  readonly deliveries: Map<string, Delivery>;
}

/** Collects and their ledger in memory. */
export class MemoryCollectStore implements CollectStore {
  readonly #collects = new Map<string, Collect>();
  /** Oldest first. */
  #runs: KeptRun[] = [];
  #number = 0;
  /** Owners of folders, by the folder of their collect. */
  readonly #owners = new Map<string, Map<string, string>>();

  async all(): Promise<Collect[]> {
    return [...this.#collects.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async get(name: string): Promise<Collect | undefined> {
    return this.#collects.get(name);
  }

  async add(collect: Collect): Promise<boolean> {
    if (this.#collects.has(collect.name)) return false;
    this.#collects.set(collect.name, collect);
    return true;
  }

  async remove(name: string): Promise<boolean> {
    this.#runs = this.#runs.filter(({ run }) => run.collect !== name);
    return this.#collects.delete(name);
  }

  async setNext(name: string, before: number, nextAt: number): Promise<boolean> {
    return this.#setNext(name, before, nextAt);
  }

  #setNext(name: string, before: number, nextAt: number | undefined): boolean {
    const collect = this.#collects.get(name);
    if (collect?.nextAt !== before) return false;
    this.#collects.set(name, { ...collect, nextAt });
    return true;
  }

  async claimFolders(root: string, machines: readonly Machine[]): Promise<Expected[]> {
    const owners = this.#owners.get(root) ?? new Map<string, string>();
    this.#owners.set(root, owners);
    const access = {
      of: (folder: string) => owners.get(folder),
      set: (folder: string, peer: string) => void owners.set(folder, peer),
    };
    return machines.map((machine) => ({ ...machine, folder: claimedFolder(machine, access) }));
  }

  async begin(begun: NewRun): Promise<CollectRun | BeginRefusal> {
    const { delivering, due, id, collect, label, startedAt } = begun;
    if (!this.#collects.has(collect)) return 'no-collect';
    const before = this.#of(collect);
    if (before.some(({ run }) => run.label === label)) return 'label-taken';
    if (due !== undefined && !this.#setNext(collect, due.at, due.next)) return 'not-due';
    for (const kept of before)
      for (const { peer } of kept.deliveries.values())
        if (!delivering.some((each) => each.run === kept.run.number && each.peer === peer))
          change(kept, peer, (delivery) => afterEnd(delivery, 'missing'));
    const number = ++this.#number;
    const run = { number, id, collect, label, dueAt: due?.at, startedAt, isLate: false };
    this.#runs.push({ run, deliveries: new Map(begun.expected.map((each) => [each.peer, expected(each)])) });
    const dropped = new Set(this.#of(collect).slice(0, -RUNS_KEPT));
    this.#runs = this.#runs.filter((each) => !dropped.has(each));
    return run;
  }

  async takeUp(): Promise<void> {
    for (const collect of this.#collects.keys()) {
      const runs = this.#of(collect);
      for (const kept of runs.slice(0, -1))
        for (const peer of kept.deliveries.keys())
          change(kept, peer, (delivery) => afterEnd(delivery, 'missing'));
      const newest = runs.at(-1);
      for (const { peer, state } of newest?.deliveries.values() ?? [])
        if (state === 'asked') change(newest, peer, (delivery) => ({ ...delivery, state: 'waiting' }));
    }
  }

  async begun(collect: string): Promise<Begun[]> {
    return this.#of(collect).flatMap(({ run: { id, label }, deliveries }) =>
      [...deliveries.values()]
        .filter((each) => isOpen(each) && each.askedAt !== undefined)
        .map(({ peer, folder, elsewhere }) => ({ id, label, peer, folder, elsewhere })),
    );
  }

  async newest(collect: string): Promise<CollectRun | undefined> {
    return this.#of(collect).at(-1)?.run;
  }

  async run(collect: string, name: string): Promise<CollectRun | undefined> {
    return this.#of(collect).find(({ run }) => run.label === name || run.id === name)?.run;
  }

  async runs(collect: string, limit: number): Promise<CollectRun[]> {
    return this.#of(collect)
      .toReversed()
      .slice(0, limit)
      .map(({ run }) => run);
  }

  async deliveries(run: number): Promise<Delivery[]> {
    return sorted(this.#kept(run));
  }

  async asked(run: number, peer: string, at: number): Promise<Delivery | undefined> {
    return change(this.#kept(run), peer, (before) => afterAsking(before, at));
  }

  async delivered(run: number, peer: string, delivered: Delivered): Promise<Delivery | undefined> {
    return change(this.#kept(run), peer, (before) => afterDelivery(before, delivered));
  }

  async failed(run: number, peer: string, failed: FailedTry): Promise<Delivery | undefined> {
    return change(this.#kept(run), peer, (before) => afterFailure(before, failed));
  }

  async gone(run: number, peer: string, state: 'left' | 'removed'): Promise<Delivery | undefined> {
    return change(this.#kept(run), peer, (before) => afterEnd(before, state));
  }

  async late(run: number): Promise<Delivery[]> {
    const kept = this.#kept(run);
    if (kept === undefined) return [];
    kept.run = { ...kept.run, isLate: true };
    for (const peer of kept.deliveries.keys()) change(kept, peer, afterGrace);
    return sorted(kept);
  }

  #of(collect: string): KeptRun[] {
    return this.#runs.filter(({ run }) => run.collect === collect);
  }

  #kept(number: number): KeptRun | undefined {
    return this.#runs.find(({ run }) => run.number === number);
  }
}

/** @returns the delivery as it is now */
function change(
  kept: KeptRun | undefined,
  peer: string,
  rule: (before: Delivery) => Delivery,
): Delivery | undefined {
  const before = kept?.deliveries.get(peer);
  const after = before && rule(before);
  if (after !== undefined) kept?.deliveries.set(peer, after);
  return after;
}

function sorted(kept: KeptRun | undefined): Delivery[] {
  const key = ({ name, peer }: Delivery): string => `${name} ${peer}`;
  return [...(kept?.deliveries.values() ?? [])].toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}
