import { Ago } from '../ui/ago.tsx';
import { bytesText } from '../ui/format.ts';
import { Link } from '../ui/link.tsx';
import { Unread } from '../ui/reading.tsx';
import { attempt } from '../ui/toasts.tsx';
import { api } from './api.ts';
import { confirm } from './confirm.tsx';
import { transfers, type Doc, type Job, type Recipient } from './documents.ts';
import { uploads, type Upload } from './uploads.ts';
import { fractionOf, jobWords, lightOf, partiesOf } from './words.ts';

/** What runs and waits, in both directions. */
export function Transfers() {
  const { read } = transfers();
  const found = read.value.value;
  const { outgoing = [], fetching = [], serving = [] } = found ?? {};
  // What waits for an answer is shown as an offer.
  const incoming = (found?.incoming ?? []).filter(({ bytesTotal, path }) => bytesTotal > 0 || path !== '');
  const none =
    uploads.value.length + outgoing.length + incoming.length + fetching.length + serving.length === 0;
  return (
    <section aria-labelledby="transfers">
      <h2 id="transfers">Transfers</h2>
      {found === undefined && <Unread read={read.value} />}
      {found !== undefined && none && (
        <p class="empty">Nothing is sent or received now, and nothing waits.</p>
      )}
      <ul class="transfers">
        {uploads.value.map((each) => (
          <UploadRow key={each.number} upload={each} />
        ))}
        {outgoing.map((job) => (
          <JobRow key={job.job} job={job} />
        ))}
        {incoming.map((each) => (
          <Incoming key={`${each.fromId} ${each.since}`} transfer={each} />
        ))}
        {fetching.map((each) => (
          <Fetching key={`${each.fromId} ${each.dest}`} transfer={each} />
        ))}
        {serving.map((each) => (
          <li key={`${each.toId} ${each.path} ${each.since}`} class="card transfer">
            <p class="what">
              <strong>{each.to}</strong> gets <span class="path">{each.path}</span>
            </p>
            <Bar value={fractionOf(each.progress)} label={`What ${each.to} gets`} />
            <p class="dim">{each.progress?.words ?? 'begins'}</p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Bar({ value, label }: { readonly value: number | undefined; readonly label: string }) {
  return <progress aria-label={label} max={1} value={value} />;
}

function UploadRow({
  upload: { what, to, bytes, bytesDone, problem, isWaiting, stop, again },
}: {
  readonly upload: Upload;
}) {
  const done = Math.min(bytesDone, bytes);
  return (
    <li class="card transfer" data-upload>
      <p class="what">
        <span class="path">{what}</span> to <strong>{to.join(', ')}</strong>
      </p>
      {problem === undefined ? (
        <>
          <Bar value={isWaiting || bytes === 0 ? undefined : done / bytes} label={`Reading ${what}`} />
          <p class="dim">
            {isWaiting
              ? 'the daemon is away: it begins again when it is back'
              : `handing it to the daemon: ${bytesText(done)} of ${bytesText(bytes)}`}
          </p>
        </>
      ) : (
        <p class="light bad">{problem}</p>
      )}
      <div class="actions">
        {again !== undefined && problem !== undefined && (
          <button type="button" onClick={again}>
            Try again
          </button>
        )}
        <button type="button" class="quiet" onClick={stop}>
          {problem === undefined ? 'Cancel' : 'Close'}
        </button>
      </div>
    </li>
  );
}

function JobRow({ job }: { readonly job: Job }) {
  const what = jobWords(job);
  return (
    <li class="card transfer" data-job={job.job}>
      <p class="what">
        <Link to={{ show: 'history', job: job.job }} class="path">
          {what}
        </Link>{' '}
        {partiesOf(job)}
      </p>
      {job.note !== '' && <p class="note">{job.note}</p>}
      {job.recipients.map((recipient) => (
        <RecipientProgress key={recipient.id} recipient={recipient} isAlone={job.recipients.length === 1} />
      ))}
      <div class="actions">
        {job.state === 'paused' ? (
          <button type="button" onClick={() => void attempt(() => api.change('resume', { job: job.job }))}>
            Resume
          </button>
        ) : (
          <button type="button" onClick={() => void attempt(() => api.change('pause', { job: job.job }))}>
            Pause
          </button>
        )}
        <button
          type="button"
          class="quiet"
          onClick={() =>
            confirm({
              title: 'Cancel the transfer?',
              text: `${what} ${partiesOf(job)}: what has arrived stays there, the rest is not sent.`,
              action: 'Cancel it',
              done: 'The transfer was cancelled.',
              work: () => api.change('cancel', { job: job.job }),
            })
          }
        >
          Cancel
        </button>
      </div>
    </li>
  );
}

function RecipientProgress({
  recipient,
  isAlone,
}: {
  readonly recipient: Recipient;
  readonly isAlone: boolean;
}) {
  const { name, state, status, progress } = recipient;
  const isRunning = state === 'running';
  return (
    <div class="recipient">
      <p class="dim facts">
        <span class={`light ${lightOf(state)}`}>{isAlone ? state : `${name}: ${state}`}</span>
        <span>{isRunning ? (progress?.words ?? 'begins') : status}</span>
      </p>
      {isRunning && <Bar value={fractionOf(progress)} label={`What ${name} has`} />}
    </div>
  );
}

function Incoming({ transfer }: { readonly transfer: Doc<'transfers'>['incoming'][number] }) {
  const { from, path, bytesReceived, bytesTotal, since } = transfer;
  return (
    <li class="card transfer">
      <p class="what">
        from <strong>{from}</strong> <span class="path">{path}</span>
      </p>
      <Bar
        value={bytesTotal === 0 ? undefined : Math.min(1, bytesReceived / bytesTotal)}
        label={`What comes from ${from}`}
      />
      <p class="dim">
        {bytesText(bytesReceived)} of {bytesText(bytesTotal)}, since <Ago at={since} />
      </p>
    </li>
  );
}

function Fetching({ transfer }: { readonly transfer: Doc<'transfers'>['fetching'][number] }) {
  const { from, path, dest, progress, job } = transfer;
  return (
    <li class="card transfer" data-job={job}>
      <p class="what">
        get{' '}
        <span class="path">
          {from}:{path}
        </span>{' '}
        to <span class="path">{dest}</span>
      </p>
      <Bar value={fractionOf(progress)} label={`What is fetched from ${from}`} />
      <p class="dim">{progress?.words ?? 'begins'}</p>
      <div class="actions">
        <button type="button" onClick={() => void attempt(() => api.change('pause', { job }))}>
          Pause
        </button>
        <button
          type="button"
          class="quiet"
          onClick={() => void attempt(() => api.change('cancel', { job }), 'The get was cancelled.')}
        >
          Cancel
        </button>
      </div>
    </li>
  );
}
