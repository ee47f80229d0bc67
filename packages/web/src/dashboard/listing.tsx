import type { ComponentChildren, VNode } from 'preact';
import type { Read } from '../ui/document.ts';
import { Reading } from '../ui/reading.tsx';
import { Scrolled } from '../ui/scrolled.tsx';

interface ListingProps<T, R> {
  readonly read: Read<T>;
  /** Oldest first, as the server tells them. */
  readonly rows: (value: T) => readonly R[];
  readonly label: string;
  readonly columns: readonly ComponentChildren[];
  /** What is said when there are no rows. */
  readonly none: string;
  /** One `<tr>`. */
  readonly children: (row: R) => VNode;
}

/** A document of rows as a table, the newest first. */
export function Listing<T, R>({ read, rows, label, columns, none, children }: ListingProps<T, R>) {
  return (
    <Reading read={read}>
      {(value) => {
        const all = rows(value);
        if (all.length === 0) return <p class="empty">{none}</p>;
        return (
          <Scrolled label={label}>
            <table>
              <thead>
                <tr>
                  {columns.map((column, index) => (
                    <th key={index} scope="col">
                      {column}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>{all.toReversed().map(children)}</tbody>
            </table>
          </Scrolled>
        );
      }}
    </Reading>
  );
}
