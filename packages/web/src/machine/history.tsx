import { address, go } from '../ui/address.ts';
import { Ago } from '../ui/ago.tsx';
import { useDocument } from '../ui/document.ts';
import { bytesText } from '../ui/format.ts';
import { Link } from '../ui/link.tsx';
import { Unread } from '../ui/reading.tsx';
import { attempt } from '../ui/toasts.tsx';
import { api } from './api.ts';
import { history, type Job } from './documents.ts';
import { filesWords, jobWords, lightOf, partiesOf } from './words.ts';

/** What was sent and fetched; one job with its receipts. */
export function History() {
  const job = address.value.get('job');
  return job === null ? <Jobs /> : <JobDetails key={job} job={job} />;
}

function Jobs() {
  const { read } = history();
  const found = read.value.value;
  if (found === undefined) return <Unread read={read.value} />;
  if (found.jobs.length === 0) return <p class="empty">Nothing was sent or fetched yet.</p>;
  return (
    <div class="table card">
      <table>
        <thead>
          <tr>
            <th>What</th>
            <th>With whom</th>
            <th>State</th>
            <th class="number">Have it</th>
            <th class="number">Sent</th>
            <th>When</th>
          </tr>
        </thead>
        <tbody>
          {found.jobs.toReversed().map((job) => {
            const sent = job.recipients.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
            const have = job.recipients.filter(({ state }) => state === 'delivered').length;
            return (
              <tr key={job.job}>
                <td>
                  <Link to={{ job: job.job }} class="path">
                    {jobWords(job)}
                  </Link>
                  {job.note !== '' && <p class="note">{job.note}</p>}
                </td>
                <td>{partiesOf(job)}</td>
                <td>
                  <span class={`light ${lightOf(job.state)}`}>{job.state}</span>
                </td>
                <td class="number">
                  {have} of {job.recipients.length}
                </td>
                <td class="number">{bytesText(sent)}</td>
                <td>
                  <Ago at={job.createdAt} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** States from which the daemon can begin again. */
const ENDED: readonly Job['state'][] = ['failed', 'cancelled', 'interrupted'];

function JobDetails({ job: id }: { readonly job: string }) {
  const details = useDocument(id, ['transfer'], (signal) => api.read('historyJob', { job: id }, { signal }));
  const back = (
    <p>
      <Link to={{ job: undefined }}>All jobs</Link>
    </p>
  );
  if (details.value.value === undefined)
    return (
      <>
        {back}
        <Unread read={details.value} />
      </>
    );
  const { job, failures, receipts, moreReceipts, moreFailures } = details.value.value;
  const again = (): Promise<unknown> => api.change('resume', { job: id, ended: job.state !== 'paused' });
  return (
    <>
      {back}
      <section class="card details" aria-labelledby="job">
        <h2 id="job" class="path">
          {jobWords(job)}
        </h2>
        <p>
          <span class={`light ${lightOf(job.state)}`}>{job.state}</span> {partiesOf(job)},{' '}
          <Ago at={job.createdAt} /> <span class="dim mono">{job.job}</span>
        </p>
        {job.note !== '' && <p class="note">{job.note}</p>}
        <ul>
          {job.recipients.map(({ id: peer, name, state, status }) => (
            <li key={peer}>
              <span class={`light ${lightOf(state)}`}>{name}</span> <span class="dim">{status}</span>
            </li>
          ))}
        </ul>
        {(ENDED.includes(job.state) || job.state === 'paused') && job.kind !== 'pull' && (
          <div class="actions">
            <button
              type="button"
              onClick={() =>
                void attempt(again, 'It continues.').then(
                  (isDone) => isDone && go({ show: undefined, job: undefined }),
                )
              }
            >
              {job.state === 'paused' ? 'Resume' : 'Try again'}
            </button>
          </div>
        )}
      </section>
      {failures.length > 0 && (
        <section aria-labelledby="failures">
          <h2 id="failures">Failed</h2>
          <ul class="card list">
            {failures.map(({ recipientId, recipient, path, message }) => (
              <li key={`${recipientId} ${path}`}>
                <span class="path">{path}</span> <span class="dim">{recipient}:</span> {message}
              </li>
            ))}
          </ul>
          <More count={moreFailures} job={id} />
        </section>
      )}
      <section aria-labelledby="receipts">
        <h2 id="receipts">Receipts</h2>
        {receipts.length === 0 ? (
          <p class="empty">
            {job.kind === 'get'
              ? 'What is fetched is verified here: receipts are for what was sent.'
              : 'There are no receipts yet.'}
          </p>
        ) : (
          <div class="table card">
            <table>
              <caption class="dim">
                What {partiesOf(job).replace(/^to /, '')} signed for:{' '}
                {filesWords(receipts.length + moreReceipts)}
              </caption>
              <thead>
                <tr>
                  <th>File</th>
                  <th>Has it</th>
                  <th class="number">Size</th>
                  <th>Digest</th>
                  <th>Signature</th>
                </tr>
              </thead>
              <tbody>
                {receipts.map(
                  ({ recipientId, recipient, path, receivedAs, size, digest, signatureOk, time }) => (
                    <tr key={`${recipientId} ${path}`} data-receipt>
                      <td class="path" title={path}>
                        {path}
                      </td>
                      <td>
                        {recipient} <span class="dim path">{receivedAs}</span>
                      </td>
                      <td class="number">{bytesText(size)}</td>
                      <td class="mono dim" title={digest}>
                        {digest.slice(0, 19)}…
                      </td>
                      <td>
                        <span
                          class={`light ${signatureOk ? 'good' : 'bad'}`}
                          title={new Date(time).toLocaleString()}
                        >
                          {signatureOk ? 'signed' : 'not what was signed'}
                        </span>
                      </td>
                    </tr>
                  ),
                )}
              </tbody>
            </table>
          </div>
        )}
        <More count={moreReceipts} job={id} />
      </section>
    </>
  );
}

function More({ count, job }: { readonly count: number; readonly job: string }) {
  if (count === 0) return null;
  return (
    <p class="dim">
      {count.toLocaleString('en-US')} more are listed by <code>filer-client history {job}</code>.
    </p>
  );
}
