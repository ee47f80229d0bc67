import { useState } from 'preact/hooks';
import { Ago } from '../ui/ago.tsx';
import { Unread } from '../ui/reading.tsx';
import { attempt } from '../ui/toasts.tsx';
import { sendText, writeTo } from './compose.tsx';
import { messages, peers } from './documents.ts';
import { groupsOf } from './words.ts';

/** Texts that came, newest first, and a box to write to everyone. */
export function Messages() {
  const { read } = messages();
  const found = read.value.value;
  return (
    <>
      <Write />
      <section aria-labelledby="texts">
        <h2 id="texts">Received</h2>
        {found === undefined ? (
          <Unread read={read.value} />
        ) : found.messages.length === 0 ? (
          <p class="empty">No messages yet.</p>
        ) : (
          <ul class="messages">
            {found.messages.toReversed().map(({ id, from, fromId, fromServer, to, text, time }) => (
              <li key={`${fromId} ${id}`} class="card message">
                <p class="dim facts">
                  <strong>{fromServer ? '(ip-server)' : from}</strong>
                  {to.startsWith('@') && <span>to {to}</span>}
                  <Ago at={time} />
                </p>
                <p class="text">{text}</p>
                {!fromServer && (
                  <div class="actions">
                    <button
                      type="button"
                      class="quiet"
                      onClick={() => writeTo(from)}
                      aria-label={`Reply to ${from}`}
                    >
                      Reply
                    </button>
                  </div>
                )}
              </li>
            ))}
          </ul>
        )}
        {found?.more === true && (
          <p class="dim">
            Older ones are listed by <code>filer-client messages</code>.
          </p>
        )}
      </section>
    </>
  );
}

function Write() {
  const [to, setTo] = useState('');
  const [text, setText] = useState('');
  const [isBusy, setBusy] = useState(false);
  const others = (peers().value.value?.peers ?? []).filter(({ self }) => self !== true);
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    if (await attempt(() => sendText(to, text))) setText('');
    setBusy(false);
  };
  return (
    <form class="card write" aria-label="Write a message" onSubmit={(event) => void send(event)}>
      <label class="field">
        To
        <select
          required
          value={to}
          onChange={({ currentTarget }) => {
            setTo(currentTarget.value);
          }}
        >
          <option value="">Choose…</option>
          <option value="@all">everyone</option>
          {groupsOf(others).map(({ name }) => (
            <option key={name} value={`@${name}`}>
              @{name}
            </option>
          ))}
          {others.map(({ id, name, online }) => (
            <option key={id} value={name}>
              {online ? name : `${name} (offline)`}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        Message
        <textarea
          required
          rows={2}
          value={text}
          onInput={({ currentTarget }) => {
            setText(currentTarget.value);
          }}
        />
      </label>
      <button type="submit" class="primary" disabled={isBusy}>
        Send
      </button>
    </form>
  );
}
