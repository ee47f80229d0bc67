import { useState } from 'preact/hooks';
import { Ago } from '../ui/ago.tsx';
import { Ask } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { bytesText } from '../ui/format.ts';
import { Unread } from '../ui/reading.tsx';
import { attempt } from '../ui/toasts.tsx';
import { api } from './api.ts';
import { inbox, type Offer } from './documents.ts';
import { filesWords, folderOf } from './words.ts';

const answers = (id: string, accept: boolean, reason?: string) =>
  api.change('answerOffers', {
    accept,
    ids: [id],
    ...(reason === undefined || reason === '' ? {} : { reason }),
  });

/** Offers that wait for an answer. */
export function Offers() {
  const open = (inbox().value.value?.offers ?? []).filter(isOpen);
  if (open.length === 0) return null;
  return (
    <section aria-labelledby="offers">
      <h2 id="offers">
        {open.length === 1 ? '1 offer waits for an answer' : `${open.length} offers wait for an answer`}
      </h2>
      <ul class="offers">
        {open.map((offer) => (
          <OfferCard key={offer.id} offer={offer} />
        ))}
      </ul>
    </section>
  );
}

function isOpen({ state }: Offer): boolean {
  return state === 'waiting' || state === 'lost';
}

function OfferCard({ offer }: { readonly offer: Offer }) {
  const [declines, setDeclines] = useState(false);
  const { id, from, files, size, note, path, mirror, refusals, state, receivedAt } = offer;
  return (
    <li class="card offer" data-offer={id}>
      <p class="what">
        <strong>{from}</strong> offers {filesWords(files)}, {bytesText(size)}
      </p>
      {note !== '' && <p class="note">{note}</p>}
      <Contents offer={offer} />
      {mirror && <p class="light warn">removes what {from} delivered before and no longer has</p>}
      {refusals.map(({ message }) => (
        <p key={message} class="light warn">
          refused here: {message}
        </p>
      ))}
      <p class="dim">
        <Ago at={receivedAt} />
        {state === 'lost' && `; ${from} is away, and is answered when it comes again`}; goes to{' '}
        <span class="path">{path}</span>
      </p>
      <div class="actions">
        <button
          type="button"
          class="primary"
          onClick={() => void attempt(() => answers(id, true), `Accepted: ${from} sends it now.`)}
        >
          Accept
        </button>
        <button type="button" onClick={() => setDeclines(true)}>
          Decline
        </button>
      </div>
      {declines && <Decline offer={offer} onClose={() => setDeclines(false)} />}
    </li>
  );
}

/** What is in it: names and sizes. */
function Contents({ offer: { names, contents, files } }: { readonly offer: Offer }) {
  const isFolder = files > names.length;
  return (
    <ul class="contents">
      {names.map((name, n) => {
        const inside = contents[n];
        return (
          <li key={name}>
            <span class="path">{name}</span>
            {inside !== undefined && (
              <span class="dim">
                {inside.files === 1 ? '' : `${filesWords(inside.files)}, `}
                {bytesText(inside.size)}
              </span>
            )}
          </li>
        );
      })}
      {isFolder && contents.length === 0 && <li class="dim">{filesWords(files)} in all</li>}
    </ul>
  );
}

function Decline({ offer: { id, from }, onClose }: { readonly offer: Offer; readonly onClose: () => void }) {
  return (
    <Ask
      title={`Decline what ${from} offers?`}
      action="Decline"
      isDangerous
      done={`Declined: ${from} is told.`}
      onDo={(typed) => answers(id, false, typed('reason'))}
      onClose={onClose}
    >
      <Field name="reason" label={`Why, for ${from} (may be empty)`} maxLength={500} spellcheck />
    </Ask>
  );
}

/** What came. */
export function Inbox() {
  const { read } = inbox();
  const found = read.value.value;
  if (found === undefined) return <Unread read={read.value} />;
  const answered = found.offers.filter((offer) => !isOpen(offer)).toReversed();
  return (
    <>
      <Offers />
      <section aria-labelledby="came">
        <h2 id="came">Received</h2>
        {found.deliveries.length === 0 ? (
          <p class="empty">No files were received yet.</p>
        ) : (
          <div class="table card">
            <table>
              <thead>
                <tr>
                  <th>What</th>
                  <th>From</th>
                  <th class="number">Size</th>
                  <th>Came</th>
                  <th>Where</th>
                </tr>
              </thead>
              <tbody>
                {found.deliveries
                  .toReversed()
                  .map(({ from, job, path, name, kind, files, size, receivedAt, note }) => (
                    <tr key={`${job} ${path}`}>
                      <td>
                        <span class="path">{kind === 'folder' ? `${name}/` : name}</span>
                        {kind === 'folder' && <span class="dim"> {filesWords(files)}</span>}
                        {note !== '' && <p class="note">{note}</p>}
                      </td>
                      <td>{from}</td>
                      <td class="number">{bytesText(size)}</td>
                      <td>
                        <Ago at={receivedAt} />
                      </td>
                      <td class="dim path" title={path}>
                        {folderOf(path)}
                      </td>
                    </tr>
                  ))}
              </tbody>
            </table>
          </div>
        )}
        {found.more && (
          <p class="dim">
            Older ones are listed by <code>filer-client inbox</code>.
          </p>
        )}
      </section>
      {answered.length > 0 && (
        <section aria-labelledby="answered">
          <h2 id="answered">Not taken</h2>
          <ul class="offers">
            {answered.map((offer) => (
              <li key={offer.id} class="card offer">
                <p class="what">
                  <strong>{offer.from}</strong> offered {filesWords(offer.files)}, {bytesText(offer.size)}:{' '}
                  {offer.state}
                  {offer.reason !== '' && ` (${offer.reason})`}
                </p>
                <Contents offer={offer} />
                {offer.state === 'declined' && (
                  <div class="actions">
                    <button
                      type="button"
                      onClick={() =>
                        void attempt(
                          () => answers(offer.id, true),
                          `Accepted: it comes when ${offer.from} sends it again.`,
                        )
                      }
                    >
                      Accept after all
                    </button>
                  </div>
                )}
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
