import type { ComponentChildren } from 'preact';
import type { Read } from './document.ts';

interface ReadingProps<T> {
  readonly read: Read<T>;
  readonly children: (value: T) => ComponentChildren;
}

/** In the place of a document that did not come yet. */
export function Unread({ read: { problem } }: { readonly read: Pick<Read<unknown>, 'problem'> }) {
  return <p class="empty">{problem ?? 'Reading…'}</p>;
}

/** Shows a document, or that it is read, or why it cannot be. */
export function Reading<T>({ read: { value, problem }, children }: ReadingProps<T>) {
  return value === undefined ? <Unread read={{ problem }} /> : <>{children(value)}</>;
}
