import { signal } from '@preact/signals';
import { Ask } from '../ui/dialog.tsx';
import { announce } from '../ui/toasts.tsx';
import { api } from './api.ts';

/** To whom a person writes now. */
const target = signal<string | undefined>(undefined);

/** @param to a name, `@group` or `@all` */
export function writeTo(to: string): void {
  target.value = to;
}

/**
 * Sends a text, and says whom it does not reach.
 *
 * @throws ApiError and Error when it reaches no one: then it can be sent again without anyone having it twice
 */
export async function sendText(to: string, text: string): Promise<void> {
  const params = { target: to, text, queue: true, timeoutMs: 30_000 };
  const { reached, queued = [], failed } = await api.change('message', params);
  const problem = failed.map(({ name, message }) => `${name}: ${message}`).join('; ');
  if (problem === '') announce(`The message to ${to} was sent, or waits for who is offline.`);
  else if (reached + queued.length === 0) throw new Error(problem);
  else announce(`The message was sent, but not to all. ${problem}`, true);
}

/** Where the text is written. */
export function Compose() {
  const to = target.value;
  if (to === undefined) return null;
  return (
    <Ask
      title={`Message to ${to}`}
      action="Send"
      onDo={(typed) => sendText(to, typed('text'))}
      onClose={() => {
        target.value = undefined;
      }}
    >
      <label class="field">
        Text
        <textarea name="text" required autofocus />
      </label>
    </Ask>
  );
}
