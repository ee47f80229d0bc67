import { useSignal } from '@preact/signals';
import { Ago } from '../ui/ago.tsx';
import { useDocument } from '../ui/document.ts';
import { isAbout } from '../ui/about.ts';
import { bytesText, counted } from '../ui/format.ts';
import { Reading } from '../ui/reading.tsx';
import { withSession } from '../ui/session.ts';
import { attempt } from '../ui/toasts.tsx';
import { Link } from '../ui/link.tsx';
import { api } from './api.ts';
import { joined } from './joined.ts';

const PAGE = 20;

type Report = Awaited<ReturnType<typeof readReports>>[number];

async function readReports(peer: string | undefined, before?: string, signal?: AbortSignal) {
  const asked = {
    limit: PAGE,
    ...(peer === undefined ? {} : { peer }),
    ...(before === undefined ? {} : { before }),
  };
  return (await api.read('reportList', asked, { signal })).reports;
}

/** Reports, the newest first, with their files. @param peer @default of all machines */
export function Reports({ peer }: { readonly peer?: string }) {
  const older = useSignal<readonly Report[]>([]);
  const isEnd = useSignal(false);
  const readNewest = async (signal: AbortSignal): Promise<readonly Report[]> => {
    const newest = await readReports(peer, undefined, signal);
    const all = joined(newest, older.value);
    older.value = all ?? [];
    if (all === undefined) isEnd.value = false;
    return newest;
  };
  const follows = peer === undefined ? {} : { isChange: isAbout(peer) };
  const read = useDocument(peer ?? '', ['report'], readNewest, follows);
  return (
    <Reading read={read.value}>
      {(newest) => {
        const all = joined(newest, older.value) ?? newest;
        const last = all.at(-1);
        const more = async (): Promise<void> => {
          const next = await readReports(peer, last?.id);
          older.value = [...all, ...next];
          isEnd.value = next.length < PAGE;
        };
        if (last === undefined) return <p class="dim">No report yet.</p>;
        return (
          <>
            <ul class="reports">
              {all.map((report) => (
                <li key={report.id}>
                  <OneReport report={report} hasMachine={peer === undefined} />
                </li>
              ))}
            </ul>
            {!isEnd.value && all.length >= PAGE && (
              <button type="button" onClick={() => void attempt(more)}>
                Older reports
              </button>
            )}
          </>
        );
      }}
    </Reading>
  );
}

function OneReport({ report, hasMachine }: { readonly report: Report; readonly hasMachine: boolean }) {
  const { id, title, schedule, values, output, exitCode, attachments, receivedAt, peer, peerId } = report;
  return (
    <details>
      <summary>
        <span class="cut">
          {hasMachine && <b>{peer} </b>}
          {title ?? schedule ?? values.map(({ name, value }) => `${name}=${value}`).join(' ')}
        </span>
        {schedule !== null && <span class="tag">{schedule}</span>}
        {exitCode !== null && exitCode !== 0 && <span class="light bad">exit {exitCode}</span>}
        {attachments.length > 0 && <span class="tag">{counted(attachments.length, 'file')}</span>}
        <Ago at={receivedAt} />
      </summary>
      {hasMachine && (
        <p>
          <Link to={{ machine: peerId, view: undefined }}>All of {peer}</Link>
        </p>
      )}
      {values.length > 0 && (
        <dl class="values">
          {values.map(({ name, value }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {output !== null && output !== '' && (
        // Scrolled by the keyboard, too.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        <pre role="region" aria-label={`Output of ${title ?? schedule ?? 'the report'}`} tabIndex={0}>
          {output}
        </pre>
      )}
      {attachments.length > 0 && (
        <ul class="files">
          {attachments.map(({ name, size }) => (
            <li key={name}>
              <a
                href={withSession(`/api/attachments/${encodeURIComponent(id)}/${encodeURIComponent(name)}`)}
                download
              >
                {name}
              </a>{' '}
              <span class="dim">{bytesText(size)}</span>
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}
