import type { ComponentChildren, VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Read } from '../ui/document.ts';
import { Unread } from '../ui/reading.tsx';
import { confirm } from './confirm.tsx';

interface EntriesProps {
  readonly id: string;
  readonly title: string;
  /** On the button that adds one. */
  readonly add: string;
  /** What asks for a new one. */
  readonly Add: (props: { readonly onClose: () => void }) => VNode;
  readonly read: Read<unknown>;
  /** Said where there is none. */
  readonly none: ComponentChildren;
  /** A row for each. */
  readonly children: readonly VNode[];
}

/** Entries that a person adds and removes. */
export function Entries({ id, title, add, Add, read, none, children }: EntriesProps) {
  const [adds, setAdds] = useState(false);
  return (
    <section aria-labelledby={id}>
      <header class="head">
        <h2 id={id}>{title}</h2>
        <button type="button" onClick={() => setAdds(true)}>
          {add}
        </button>
      </header>
      {read.value === undefined ? (
        <Unread read={read} />
      ) : children.length === 0 ? (
        <p class="empty">{none}</p>
      ) : (
        <ul class="card list">{children}</ul>
      )}
      {adds && <Add onClose={() => setAdds(false)} />}
    </section>
  );
}

type RemoveProps = Parameters<typeof confirm>[0] & {
  /** For who does not see in which row it stands. */
  readonly label: string;
};

/** Removes an entry, after it was asked. */
export function Remove({ label, ...question }: RemoveProps) {
  return (
    <button type="button" class="quiet" aria-label={label} onClick={() => confirm(question)}>
      Remove
    </button>
  );
}

/** @returns what stands between spaces and commas */
export function wordsIn(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}
