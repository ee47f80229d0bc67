import type { ComponentChildren } from 'preact';
import type { Read } from './document.ts';

interface ReadingProps<T> {
  readonly read: Read<T>;
  readonly children: (value: T) => ComponentChildren;
}

/** Shows a document, or that it is read, or why it cannot be. */
export function Reading<T>({ read: { value, problem }, children }: ReadingProps<T>) {
  if (value !== undefined) return <>{children(value)}</>;
  return <p class="empty">{problem ?? 'Reading…'}</p>;
}
