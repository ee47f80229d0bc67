import type { Deliveries, Delivered } from '@filer/transfer';

/** What a sender delivered, remembered for as long as the test runs. */
export function deliveredBefore(): Deliveries & { readonly all: Map<string, Delivered> } {
  const all = new Map<string, Delivered>();
  return {
    all,
    find: (path) => all.get(path),
    note: (path, delivered) => {
      all.set(path, delivered);
      return Promise.resolve();
    },
  };
}
