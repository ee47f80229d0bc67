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
    shared: () => undefined,
    below: (folder, before, most) =>
      [...all]
        .filter(
          ([path]) => path.startsWith(`${folder}/`) && (before === undefined || order(path, before) < 0),
        )
        .toSorted(([a], [b]) => order(b, a))
        .slice(0, most)
        .map(([path, delivered]) => ({ path, ...delivered })),
  };
}

function order(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
