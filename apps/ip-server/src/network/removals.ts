import {
  Semaphore,
  encodeFrame,
  FilerError,
  formatRemovals,
  RemovalList,
  type Message,
  type Messenger,
  type Removal,
  type RemovalLedger,
} from '@filer/protocol';
import { Listeners } from '@filer/program';
import type { Registry, RegistryChanges } from '../store/registry.ts';
import type { Directory } from './directory.ts';
import { Leaves } from './leaves.ts';
import type { Presence } from './presence.ts';

/** Hands one message to many without waiting for the slowest. @returns to how many */
export type Multicast = (to: Iterable<Messenger>, message: Message) => Promise<number>;

/** The network's removals as they are kept here, and what one of them does. */
export class Removals implements RemovalLedger {
  readonly #directory: Directory;
  readonly #list: RemovalList;
  readonly #changes = new Semaphore(1);
  /** Known here, and not stored any longer. */
  #lost: readonly Removal[] = [];
  readonly leaves: Leaves;
  readonly #added = new Listeners<[removals: readonly Removal[]]>();
  /** Tells of removals that became known. */
  readonly onAdded = this.#added.add;

  static async open(network: string, registry: Registry, directory: Directory): Promise<Removals> {
    const list = new RemovalList(network, await registry.removals());
    return new Removals(list, directory, await Leaves.open(network, registry, directory));
  }

  private constructor(list: RemovalList, directory: Directory, leaves: Leaves) {
    this.#list = list;
    this.#directory = directory;
    this.leaves = leaves;
    directory.onFollowed((changes, lost) => {
      if (lost !== undefined) this.#reread(changes);
      this.#follow(changes);
    });
  }

  get number(): number {
    return this.#list.number;
  }

  has(id: string): boolean {
    return this.#list.has(id);
  }

  digestAt(number: number): string {
    return this.#list.digestAt(number);
  }

  page(after: number): Removal[] {
    return this.#list.page(after);
  }

  /**
   * Appends a removal that was signed for this list, and ends the membership.
   *
   * @throws FilerError `signature-invalid`, `verification-failed` for a number that is not the next, of the store
   */
  append(removal: Removal): Promise<void> {
    return this.appendNext(() => removal);
  }

  /** The same for one that is signed when it is known which number it has. */
  appendNext(sign: (number: number) => Removal): Promise<void> {
    return this.#changes.take(async () => {
      const removal = sign(this.number + 1);
      this.#list.checkNext(removal);
      if (await this.#store(removal)) this.#added.tell([removal]);
    });
  }

  /** Merges removals that a member knows: the home of this server was restored from a backup. */
  take(removals: readonly Removal[]): Promise<void> {
    return this.#changes.take(async () => {
      const added: Removal[] = [];
      try {
        for (const removal of removals) {
          if (!this.#list.check(removal)) continue;
          if (await this.#store(removal)) added.push(removal);
        }
      } finally {
        if (added.length > 0) this.#added.tell(added);
      }
    });
  }

  /** Takes in what other servers of the network have stored. */
  #follow({ removals, leaves }: Pick<RegistryChanges, 'removals' | 'leaves'>): void {
    const added = removals.filter((removal) => this.#list.merge(removal));
    if (added.length > 0) this.#added.tell(added);
    this.leaves.follow(leaves);
  }

  /** The database has lost what was told, and has this now: what is known beyond it is to be stored again. */
  #reread({ removals, leaves }: Pick<RegistryChanges, 'removals' | 'leaves'>): void {
    const stored = new Set(removals.map(({ number, id }) => `${number} ${id}`));
    this.#lost = this.#list.all.filter(({ number, id }) => !stored.has(`${number} ${id}`));
    this.leaves.reread(leaves);
  }

  /** Stores again what the database has lost. @throws FilerError of the store; the rest is stored by the next call */
  restore(): Promise<void> {
    return this.#changes.take(async () => {
      for (const removal of this.#lost) {
        await this.#directory.remove(removal);
        this.#lost = this.#lost.filter((each) => each !== removal);
      }
      await this.leaves.restore();
    });
  }

  /** @returns whether it is still to be told */
  async #store(removal: Removal): Promise<boolean> {
    await this.#directory.remove(removal);
    if (!this.#list.check(removal)) return false;
    this.#list.add(removal);
    return true;
  }
}

/** Who is connected. */
type Sessions = Pick<Presence, 'sessions' | 'sessionsOf' | 'expel'>;

/** What a removal means for those who are connected: the removed are out at once, the others know at once. */
export function announceRemovals(
  removals: readonly Removal[],
  presence: Sessions,
  multicast: Multicast,
): Promise<number> {
  const message = formatRemovals(removals);
  for (const { id } of removals) putOut(id, message, presence, removedError());
  return multicast(presence.sessions(), message);
}

/** Ends what a machine has here that is no member any more, after what proves that to it. */
export function putOut(
  id: string,
  { header, content }: Message,
  presence: Sessions,
  reason: FilerError,
): void {
  const sessions = presence.sessionsOf(id);
  if (sessions.length > 0) {
    const proof = encodeFrame(header, content);
    for (const messenger of sessions) messenger.post(proof);
  }
  presence.expel(id, reason);
}

export function removedError(): FilerError {
  return new FilerError(
    'removed',
    'this machine was removed from the network: to come back it needs a new invite and `filer-client join - --new-identity`',
  );
}
