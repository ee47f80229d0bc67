import { signal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { Ask } from '../ui/dialog.tsx';
import { api } from './api.ts';

/** To whom a person writes now. */
const target = signal<string | undefined>(undefined);

/** @param to a name, `@group` or `@all` */
export function writeTo(to: string): void {
  target.value = to;
}

/** Where the text is written. */
export function Compose() {
  const textRef = useRef('');
  const to = target.value;
  if (to === undefined) return null;
  return (
    <Ask
      title={`Message to ${to}`}
      action="Send"
      done={`The message to ${to} was sent, or waits until it is there.`}
      onDo={async () => {
        const params = { target: to, text: textRef.current, queue: true, timeoutMs: 30_000 };
        const { failed } = await api.change('message', params);
        const [first] = failed;
        if (first !== undefined) throw new Error(`${first.name}: ${first.message}`);
      }}
      onClose={() => {
        target.value = undefined;
      }}
    >
      <label class="field">
        Text
        <textarea
          required
          autofocus
          onInput={({ currentTarget }) => {
            textRef.current = currentTarget.value;
          }}
        />
      </label>
    </Ask>
  );
}
