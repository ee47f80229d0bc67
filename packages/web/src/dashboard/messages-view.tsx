import { computed } from '@preact/signals';
import { useRef, useState } from 'preact/hooks';
import { Ago } from '../ui/ago.tsx';
import { useDocument } from '../ui/document.ts';
import { counted } from '../ui/format.ts';
import { Reading } from '../ui/reading.tsx';
import { may } from '../ui/session.ts';
import { announce, attempt } from '../ui/toasts.tsx';
import { api } from './api.ts';
import { groupsOf } from './machine-list.ts';
import { machines } from './machines.ts';

const SHOWN = 100;

const groups = computed(() => groupsOf([...machines.value.values()]).map(({ name }) => name));

/** A box to broadcast, and the texts to many that went over this server. */
export function MessagesView() {
  const read = useDocument('messages', ['message'], (signal) =>
    api.read('messages', { limit: SHOWN }, { signal }),
  );
  return (
    <>
      {may('jobs') && <Broadcast />}
      <Reading read={read.value}>
        {({ messages }) =>
          messages.length === 0 ? (
            <p class="empty">No text to many has been sent over this server.</p>
          ) : (
            <ol class="messages">
              {messages.toReversed().map(({ id, from, to, text, time, reached, offline }) => (
                <li key={id} class="card">
                  <p class="about">
                    <b>{from ?? 'this server'}</b> to {to}
                    <span class="dim">
                      reached {reached}
                      {offline > 0 && `, ${offline} offline`}
                    </span>
                    <Ago at={time} />
                  </p>
                  <p class="text">{text}</p>
                </li>
              ))}
            </ol>
          )
        }
      </Reading>
    </>
  );
}

function Broadcast() {
  const text = useRef<HTMLTextAreaElement>(null);
  const to = useRef<HTMLSelectElement>(null);
  const [isBusy, setBusy] = useState(false);
  const send = async (): Promise<void> => {
    const { reached, offline } = await api.change('broadcast', {
      text: text.current?.value ?? '',
      to: to.current?.value ?? '@all',
    });
    announce(`Sent to ${counted(reached, 'machine')}${offline > 0 ? `, ${offline} offline` : ''}`);
    if (text.current !== null) text.current.value = '';
  };
  return (
    <form
      class="broadcast card"
      onSubmit={(event) => {
        event.preventDefault();
        setBusy(true);
        void attempt(send).then(() => setBusy(false));
      }}
    >
      <label class="field">
        Broadcast a message
        <textarea ref={text} required rows={2} />
      </label>
      <div class="bar">
        <label>
          To{' '}
          <select ref={to}>
            <option value="@all">all machines</option>
            {groups.value.map((name) => (
              <option key={name} value={`@${name}`}>
                @{name}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="primary" disabled={isBusy}>
          Send
        </button>
      </div>
    </form>
  );
}
