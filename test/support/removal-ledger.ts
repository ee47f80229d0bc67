import { RemovalList, type LeaveLedger, type Removal, type RemovalLedger } from '@filer/protocol';

/** A list of removals in memory that notes what it has taken. */
export class MemoryLedger implements RemovalLedger {
  readonly list: RemovalList;
  readonly taken: Removal[] = [];
  readonly leaves?: LeaveLedger;

  constructor(network: string, removals: Iterable<Removal> = [], leaves?: LeaveLedger) {
    if (leaves !== undefined) this.leaves = leaves;
    this.list = new RemovalList(network, removals);
  }

  get number(): number {
    return this.list.number;
  }

  has(id: string): boolean {
    return this.list.has(id);
  }

  digestAt(number: number): string {
    return this.list.digestAt(number);
  }

  page(after: number): readonly Removal[] {
    return this.list.page(after);
  }

  take(removals: readonly Removal[]): void {
    for (const removal of removals) if (this.list.merge(removal)) this.taken.push(removal);
  }
}
