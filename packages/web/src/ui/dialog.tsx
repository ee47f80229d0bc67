import type { ComponentChildren, TargetedEvent } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { announce } from './toasts.tsx';

interface DialogProps {
  readonly title: string;
  /** Called when it was closed in whatever way: Esc, outside, a button. */
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** A modal dialog: shown while it is part of the page. The browser keeps the focus in it and gives it back. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const label = useId();
  // Told a moment later, when another dialog may have taken its place.
  const closed = (): void => {
    if (element.current !== null) onClose();
  };
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={element} aria-labelledby={label} closedby="any" onClose={closed}>
      <header>
        <h2 id={label}>{title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={() => element.current?.close()}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

interface AskProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** On the button that does it. */
  readonly action: string;
  readonly isDangerous?: boolean;
  /** Told after it was done. */
  readonly done?: string;
  /** @param typed gives what stands in the field of a name */
  readonly onDo: (typed: (name: string) => string) => Promise<unknown>;
  readonly onClose: () => void;
}

/** Asks before something is done, does it, and tells how it went. It stays open when it failed, and says why: what is behind it is hidden. */
export function Ask({ title, children, action, isDangerous = false, done, onDo, onClose }: AskProps) {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const submit = async (event: TargetedEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    const fields = new FormData(event.currentTarget);
    const typed = (name: string): string => {
      const value = fields.get(name);
      return typeof value === 'string' ? value : '';
    };
    try {
      await onDo(typed);
      if (done !== undefined) announce(done);
      onClose();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        {children}
        {problem !== undefined && (
          <p class="notice bad" role="alert">
            {problem}
          </p>
        )}
        <footer>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class={isDangerous ? 'danger' : 'primary'} disabled={isBusy}>
            {action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
