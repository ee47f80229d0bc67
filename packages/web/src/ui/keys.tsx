import { useEffect } from 'preact/hooks';
import { Dialog } from './dialog.tsx';

/** What a key does; the help dialog lists it. */
export interface Shortcut {
  readonly key: string;
  readonly does: string;
  /** @returns false when it did nothing: the browser then does what it does */
  readonly run: () => boolean | void;
}

const active = new Set<readonly Shortcut[]>();

/** Keys work wherever no text is typed and no dialog is open. Esc also leaves a field. */
export function useKeys(shortcuts: readonly Shortcut[]): void {
  useEffect(() => {
    active.add(shortcuts);
    return () => void active.delete(shortcuts);
  });
}

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const { target } = event;
  if (document.querySelector('dialog[open]') !== null || !(target instanceof HTMLElement)) return;
  const isTyping = target.matches('input, textarea, select') || target.isContentEditable;
  if (isTyping) {
    if (event.key === 'Escape') target.blur();
    return;
  }
  // Enter on a link or a button is its own.
  if (event.key === 'Enter' && target.matches('a, button, summary')) return;
  const found = [...active].flat().findLast(({ key }) => key === event.key);
  if (found !== undefined && found.run() !== false) event.preventDefault();
});

export function KeysHelp({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {[...active].flat().map(({ key, does }) => (
          <div key={key}>
            <dt>
              <kbd>{key === 'Escape' ? 'Esc' : key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
