import { LeaveList, type Leave, type LeaveLedger } from '@filer/protocol';

/** A list of leaves in memory that notes how many it has taken at once. */
export class MemoryLeaves implements LeaveLedger {
  readonly list: LeaveList;
  readonly taken: number[] = [];

  constructor(network: string, leaves: Iterable<Leave> = []) {
    this.list = new LeaveList(network);
    for (const leave of leaves) this.list.keep(leave);
  }

  get digest(): string {
    return this.list.digest;
  }

  of(id: string): Leave | undefined {
    return this.list.of(id);
  }

  page(after: string): readonly Leave[] {
    return this.list.page(after);
  }

  take(leaves: readonly Leave[]): void {
    this.taken.push(leaves.length);
    for (const leave of leaves) this.list.merge(leave);
  }
}
