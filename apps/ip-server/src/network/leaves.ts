import {
  Semaphore,
  FilerError,
  LeaveList,
  type Leave,
  type LeaveLedger,
  type Membership,
} from '@filer/protocol';
import { Listeners } from '@filer/program';
import type { Registry } from '../store/registry.ts';
import type { Directory } from './directory.ts';

/** Who has left the network by its own wish, as it is kept here, and what that does. */
export class Leaves implements LeaveLedger {
  readonly #directory: Directory;
  readonly #list: LeaveList;
  readonly #changes = new Semaphore(1);
  /** Known here, and not stored any longer. */
  #lost: readonly Leave[] = [];
  readonly #added = new Listeners<[leaves: readonly Leave[]]>();
  /** Tells of leaves that became known. */
  readonly onAdded = this.#added.add;

  static async open(network: string, registry: Registry, directory: Directory): Promise<Leaves> {
    return new Leaves(network, await registry.leaves(), directory);
  }

  private constructor(network: string, known: readonly Leave[], directory: Directory) {
    this.#directory = directory;
    this.#list = new LeaveList(network);
    for (const leave of known) this.#list.keep(leave);
  }

  get digest(): string {
    return this.#list.digest;
  }

  page(after: string): Leave[] {
    return this.#list.page(after);
  }

  of(id: string): Leave | undefined {
    return this.#list.of(id);
  }

  ends(membership: Membership): boolean {
    return this.#list.ends(membership);
  }

  /** @throws FilerError `not-a-member` */
  requireStaying(membership: Membership): void {
    if (this.#list.ends(membership)) {
      throw new FilerError('not-a-member', 'this machine has left the network: join again with an invite');
    }
  }

  /** Takes in what other servers of the network have stored. */
  follow(leaves: readonly Leave[]): void {
    const added = leaves.filter((leave) => this.#list.merge(leave));
    if (added.length > 0) this.#added.tell(added);
  }

  /** @see Removals.reread */
  reread(leaves: readonly Leave[]): void {
    const stored = new Map(leaves.map((leave) => [leave.membership.id, leave.membership.serial]));
    this.#lost = this.#list.all.filter(({ membership: { id, serial } }) => (stored.get(id) ?? 0) < serial);
  }

  /** @see Removals.restore */
  restore(): Promise<void> {
    return this.#changes.take(async () => {
      for (const leave of this.#lost) {
        await this.#directory.leave(leave.membership.id, leave);
        this.#lost = this.#lost.filter((each) => each !== leave);
      }
    });
  }

  take(leaves: readonly Leave[]): Promise<void> {
    return this.#changes.take(async () => {
      const added: Leave[] = [];
      try {
        for (const leave of leaves) {
          if (!this.#list.check(leave)) continue;
          await this.#directory.leave(leave.membership.id, leave);
          // The directory may have told it already, as stored by any server.
          if (!this.#list.check(leave)) continue;
          this.#list.keep(leave);
          added.push(leave);
        }
      } finally {
        if (added.length > 0) this.#added.tell(added);
      }
    });
  }
}
