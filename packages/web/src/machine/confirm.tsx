import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { Ask } from '../ui/dialog.tsx';

interface Question {
  readonly title: string;
  readonly text: ComponentChildren;
  readonly action: string;
  readonly isDangerous?: boolean;
  readonly done?: string;
  readonly work: () => Promise<unknown>;
}

const asked = signal<Question | undefined>(undefined);

/** Asks a person before something is done. */
export function confirm(question: Question): void {
  asked.value = question;
}

/** Where the question is shown. */
export function Confirmations() {
  const question = asked.value;
  if (question === undefined) return null;
  const { title, text, action, isDangerous = true, work, ...told } = question;
  return (
    <Ask
      title={title}
      action={action}
      isDangerous={isDangerous}
      {...told}
      onDo={work}
      onClose={() => {
        asked.value = undefined;
      }}
    >
      <p>{text}</p>
    </Ask>
  );
}
