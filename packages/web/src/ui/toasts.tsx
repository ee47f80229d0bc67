import { signal } from '@preact/signals';

interface Toast {
  readonly number: number;
  readonly text: string;
  readonly isProblem: boolean;
}

const toasts = signal<readonly Toast[]>([]);
let count = 0;

const SHOWN_MS = 6_000;

/** Tells of what was done, for eyes and for screen readers; gone after some seconds. A problem stays until it is closed. */
export function announce(text: string, isProblem = false): void {
  const number = ++count;
  toasts.value = [...toasts.value.slice(-3), { number, text, isProblem }];
  if (!isProblem) setTimeout(() => drop(number), SHOWN_MS);
}

function drop(number: number): void {
  toasts.value = toasts.value.filter((toast) => toast.number !== number);
}

/** Does something that may fail, and tells how it went. @returns whether it was done */
export async function attempt(work: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await work();
    if (done !== undefined) announce(done);
    return true;
  } catch (error) {
    announce(error instanceof Error ? error.message : String(error), true);
    return false;
  }
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ number, text, isProblem }) => (
        <p key={number} class={isProblem ? 'toast problem' : 'toast'}>
          <span>{text}</span>
          <button type="button" class="quiet" aria-label="Close the message" onClick={() => drop(number)}>
            ✕
          </button>
        </p>
      ))}
    </div>
  );
}
