import { FilerError, LeaveList, type Leave, type LeaveLedger, type Membership } from '@filer/protocol';
import type { Registry } from '../store/registry.ts';
import type { Directory } from './directory.ts';

/** Who has left the network by its own wish, as it is kept here, and what that does. */
export class Leaves implements LeaveLedger {
  readonly #registry: Registry;
  readonly #directory: Directory;
  readonly #list: LeaveList;
  /** Called with leaves that became known; must not throw. */
  onAdded: (leaves: readonly Leave[]) => void = () => undefined;

  constructor(network: string, registry: Registry, directory: Directory) {
    this.#registry = registry;
    this.#directory = directory;
    this.#list = new LeaveList(network);
    for (const leave of registry.leaves()) this.#list.keep(leave);
  }

  get digest(): string {
    return this.#list.digest;
  }

  page(after: string): Leave[] {
    return this.#list.page(after);
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

  take(leaves: readonly Leave[]): void {
    const added: Leave[] = [];
    try {
      for (const leave of leaves) {
        if (!this.#list.merge(leave)) continue;
        const { id } = leave.membership;
        const member = this.#directory.get(id);
        this.#registry.saveLeave(leave);
        if (member?.status === 'member' && this.ends(member.membership)) this.#directory.leave(id);
        added.push(leave);
      }
    } finally {
      if (added.length > 0) this.onAdded(added);
    }
  }
}
