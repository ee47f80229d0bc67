import type { Effects } from '../store/effects.ts';
import type { Expectation, ScheduleKey } from '../store/expectation.ts';
import type { Change, Expectations } from './expectations.ts';

/** Of a network with several servers. */
export interface SharedExpectations {
  /** As any server has stored it. @param peers undefined for all */
  readonly load: (peers: readonly string[] | undefined) => Promise<Expectation[]>;
  /** Whether this is the server that looks who is late or missing. */
  readonly isJudge: () => boolean;
  /** Whether the session of a machine is at this server. */
  readonly isHere: (peer: string) => boolean;
}

/** Counts here and is not stored yet. */
interface Unsaved extends ScheduleKey {
  /** What the store said when it was changed here; undefined when it said nothing. */
  readonly base: Expectation | undefined;
}

interface Parts {
  readonly expectations: Expectations;
  /** @default what is stored is this server's alone */
  readonly shared: SharedExpectations | undefined;
  readonly isMember: (peer: string) => boolean;
  /** Applies a change, and publishes it. */
  readonly apply: (change: Change) => void;
}

/** What counts here and is not stored yet, beside what other servers have stored. */
export class UnsavedExpectations {
  readonly #parts: Parts;
  /** By machine and schedule. */
  readonly #unsaved = new Map<string, Unsaved>();

  /** @param known what the store holds, also of machines that were removed while the server was stopped */
  constructor(parts: Parts, known: readonly Expectation[]) {
    this.#parts = parts;
    for (const base of known) {
      const { peer, schedule } = base;
      if (!parts.isMember(peer)) this.#unsaved.set(keyOf(base), { peer, schedule, base });
    }
  }

  get isEmpty(): boolean {
    return this.#unsaved.size === 0;
  }

  /** These are about to change here. */
  remember(changed: readonly ScheduleKey[]): void {
    for (const { peer, schedule } of changed) {
      const base = this.#parts.expectations.get(peer, schedule);
      const key = keyOf({ peer, schedule });
      if (!this.#unsaved.has(key)) this.#unsaved.set(key, { peer, schedule, base });
    }
  }

  /** These are stored. @param saved @default all */
  forget(saved?: readonly ScheduleKey[]): void {
    if (saved === undefined) this.#unsaved.clear();
    else for (const each of saved) this.#unsaved.delete(keyOf(each));
  }

  /** Takes in what other servers have stored. What counts here and is not stored yet stays. @throws FilerError of the store */
  async reload(peers: readonly string[] | undefined): Promise<void> {
    const { shared, expectations } = this.#parts;
    if (shared === undefined) return;
    const isOthers = (each: Expectation): boolean => !this.#unsaved.has(keyOf(each));
    const loaded = (await shared.load(peers)).filter(isOthers);
    const known = peers === undefined ? expectations.all() : peers.flatMap((peer) => expectations.of(peer));
    expectations.apply({ kept: loaded, dropped: known.filter(isOthers), events: [] });
  }

  /**
   * Another server has changed what is not stored yet here. What it has heard from a machine that left counts; of one that is here, or
   * that was only judged there, what counts here is stored over what the other one has. @throws FilerError of the store
   */
  async rebase(): Promise<void> {
    const { shared, isMember, expectations, apply } = this.#parts;
    if (shared === undefined || this.isEmpty) return;
    const unsaved = [...this.#unsaved.values()];
    const loaded = await shared.load([...new Set(unsaved.map(({ peer }) => peer))]);
    const stored = new Map(loaded.map((each) => [keyOf(each), each]));
    const isHeard = (each: Unsaved): boolean => isHeardSince(each.base, stored.get(keyOf(each)));
    const moved = new Set(
      unsaved.filter((each) => isHeard(each) && !shared.isHere(each.peer)).map(({ peer }) => peer),
    );
    for (const each of unsaved) {
      const { peer, schedule } = each;
      const now = stored.get(keyOf(each));
      const here = expectations.get(peer, schedule);
      const isGone = moved.has(peer) && isMember(peer);
      if (isGone) this.#unsaved.delete(keyOf(each));
      else this.#unsaved.set(keyOf(each), { peer, schedule, base: now });
      if (isGone || now === undefined || here === undefined) continue;
      const { state, since, reportedAt } = now;
      // The later time: what is due too early would be missed by a machine that is well.
      const due = isHeard(each)
        ? { dueAt: Math.max(here.dueAt, now.dueAt), thirdAt: Math.max(here.thirdAt, now.thirdAt) }
        : {};
      apply({ kept: [{ ...here, ...due, state, since, reportedAt }], dropped: [], events: [] });
    }
    await this.reload([...moved]);
  }

  /** What is to be stored with a change: all that is not stored yet, and the change. */
  with(change: Change): Change {
    const { expectations, shared } = this.#parts;
    const unsaved = [...this.#unsaved.values()];
    const still = unsaved.flatMap(({ peer, schedule }) => expectations.get(peer, schedule) ?? []);
    // What the store did not have is another server's when it has it now.
    const gone = shared === undefined ? unsaved : unsaved.filter(({ base }) => base !== undefined);
    return { ...change, kept: [...still, ...change.kept], dropped: [...gone, ...change.dropped] };
  }

  /**
   * On what an effect depends where several servers store: it is stored only while the store has these rows so.
   *
   * @param isAll whether everything that is not stored yet goes with it
   */
  guards(kept: readonly ScheduleKey[], isAll: boolean): Pick<Effects, 'unchanged' | 'fresh'> {
    if (this.#parts.shared === undefined) return {};
    const touched = new Map(
      [...(isAll ? this.#unsaved.values() : []), ...kept].map((each) => [keyOf(each), each]),
    );
    const bases = [...touched].map(([key, { peer, schedule }]): Unsaved => {
      const base = this.#parts.expectations.get(peer, schedule);
      return this.#unsaved.get(key) ?? { peer, schedule, base };
    });
    return {
      unchanged: bases.flatMap(({ base }) => base ?? []),
      fresh: bases.filter(({ base }) => base === undefined),
    };
  }
}

/** Whether a machine was heard by another server since a row was read: one that only judges changes no times. */
function isHeardSince(base: Expectation | undefined, now: Expectation | undefined): boolean {
  return base?.dueAt !== now?.dueAt || base?.thirdAt !== now?.thirdAt || base?.reportedAt !== now?.reportedAt;
}

function keyOf({ peer, schedule }: ScheduleKey): string {
  return `${peer} ${schedule}`;
}
