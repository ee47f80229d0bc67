import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Ago } from '../ui/ago.tsx';
import { go } from '../ui/address.ts';
import { useDocument } from '../ui/document.ts';
import { isAbout } from '../ui/about.ts';
import { bytesText, shortId } from '../ui/format.ts';
import { useKeys, type Shortcut } from '../ui/keys.tsx';
import { Reading } from '../ui/reading.tsx';
import { Sparkline } from '../ui/sparkline.tsx';
import { Chart } from '../ui/chart.tsx';
import { may } from '../ui/session.ts';
import { api } from './api.ts';
import { ActionButtons } from './machine-actions.tsx';
import { Light } from './light.tsx';
import { isComplete, isSeveral, machines, type Machine } from './machines.ts';
import { Reports } from './reports.tsx';
import { TransfersView } from './transfers-view.tsx';
import { Series } from './series.tsx';

const SHORTCUTS: readonly Shortcut[] = [
  { key: 'Escape', does: 'close the machine', run: () => go({ machine: undefined }) },
];

/** A machine sends its numbers about as often. */
const NUMBERS_EVERY_MS = 60_000;

const SPANS = [
  ['6 h', 6],
  ['2 d', 48],
  ['30 d', 720],
  ['1 y', 8_760],
] as const;

/** All of one machine. */
export function MachineDetail({ id }: { readonly id: string }) {
  useKeys(SHORTCUTS);
  const heading = useRef<HTMLHeadingElement>(null);
  const machine = machines.value.get(id);
  const isThere = machine !== undefined;
  // A person who opened it by the keyboard continues in it.
  useEffect(() => heading.current?.focus({ preventScroll: true }), [id, isThere]);
  if (machine === undefined) {
    return (
      <aside class="detail">
        <p class="empty">
          {isComplete.value ? 'There is no such machine.' : 'Reading…'}{' '}
          <button type="button" onClick={() => go({ machine: undefined })}>
            Close
          </button>
        </p>
      </aside>
    );
  }
  return (
    <aside class="detail" aria-labelledby="detail-name">
      <header>
        <h2 id="detail-name" tabIndex={-1} ref={heading}>
          {machine.name}
        </h2>
        <Light standing={machine.standing} />
        <button
          type="button"
          class="quiet close"
          aria-label={`Close ${machine.name}`}
          onClick={() => go({ machine: undefined })}
        >
          ✕
        </button>
      </header>
      {may('admin') && <ActionButtons id={id} />}
      <Facts machine={machine} />
      <section>
        <h3>Transfers</h3>
        <TransfersView machine={id} />
      </section>
      <Numbers key={`numbers ${id}`} id={id} />
      <Series key={`series ${id}`} id={id} />
      <section>
        <h3>Reports</h3>
        <Reports key={`reports ${id}`} peer={id} />
      </section>
    </aside>
  );
}

function Facts({ machine }: { readonly machine: Machine }) {
  const { id, seenAt, reportedAt, dueAt, groups, freeBytes, address, via, version, server, overdue } =
    machine;
  return (
    <dl class="facts">
      <div>
        <dt>Seen</dt>
        <dd>
          <Ago at={seenAt} />
        </dd>
      </div>
      <div>
        <dt>Reported</dt>
        <dd>
          <Ago at={reportedAt} none="never" />
        </dd>
      </div>
      <div>
        <dt>Next due</dt>
        <dd>
          <Ago at={dueAt} none="no schedule" />
        </dd>
      </div>
      {overdue.length > 0 && (
        <div>
          <dt>Overdue</dt>
          <dd>{overdue.join(', ')}</dd>
        </div>
      )}
      <div>
        <dt>Groups</dt>
        <dd>{groups.length === 0 ? '–' : groups.map((group) => `@${group}`).join(' ')}</dd>
      </div>
      <div>
        <dt>Free space</dt>
        <dd>{freeBytes === null ? '–' : bytesText(freeBytes)}</dd>
      </div>
      <div>
        <dt>Address</dt>
        <dd>
          {address ?? '–'} <span class="dim">{via === null ? 'not connected' : `connected ${via}`}</span>
        </dd>
      </div>
      <div>
        <dt>Version</dt>
        <dd>{version ?? '–'}</dd>
      </div>
      {isSeveral.value && (
        <div>
          <dt>Server</dt>
          <dd title={server ?? undefined}>{server === null ? '–' : shortId(server)}</dd>
        </div>
      )}
      <div class="wide">
        <dt>Id</dt>
        <dd class="mono">{id}</dd>
      </div>
    </dl>
  );
}

/** Its heartbeats over time. */
function Numbers({ id }: { readonly id: string }) {
  const hours = useSignal(6);
  const read = useDocument(
    `${id} ${hours.value}`,
    ['peer'],
    (signal) =>
      api.read(
        'samples',
        { peer: id, since: new Date(Date.now() - hours.value * 3_600_000).toISOString() },
        { signal },
      ),
    { isChange: isAbout(id), everyMs: NUMBERS_EVERY_MS },
  );
  return (
    <section>
      <div class="titled">
        <h3>Over time</h3>
        <div class="spans" role="group" aria-label="Time shown">
          {SPANS.map(([words, each]) => (
            <button
              key={each}
              type="button"
              aria-pressed={hours.value === each}
              onClick={() => (hours.value = each)}
            >
              {words}
            </button>
          ))}
        </div>
      </div>
      <Reading read={read.value}>
        {({ times, load, memoryFreeBytes, memoryTotalBytes, inboxFreeBytes, transfers, spooled }) =>
          times.length === 0 ? (
            <p class="dim">
              No numbers of this machine in this time: a connected machine sends some each minute.
            </p>
          ) : (
            <>
              <ul class="sparks">
                <li>
                  Load <b>{(load.at(-1) ?? 0).toFixed(2)}</b> <Sparkline numbers={load} label="load" />
                </li>
                <li>
                  Memory used <b>{percent(memoryFreeBytes.at(-1), memoryTotalBytes.at(-1))}</b>
                  <Sparkline
                    numbers={usedShare(memoryFreeBytes, memoryTotalBytes)}
                    max={1}
                    label="memory used"
                  />
                </li>
                <li>
                  Transfers <b>{Math.round(transfers.at(-1) ?? 0)}</b>
                  <Sparkline numbers={transfers} label="transfers that run" />
                </li>
                <li>
                  Reports that wait <b>{Math.round(spooled.at(-1) ?? 0)}</b>
                  <Sparkline numbers={spooled} label="reports that wait" />
                </li>
              </ul>
              <Chart times={times} label="Load" lines={[{ name: 'load', numbers: load }]} />
              <Chart
                times={times}
                label="Free space"
                format={bytesText}
                lines={[
                  { name: 'free for files', numbers: inboxFreeBytes },
                  { name: 'free memory', numbers: memoryFreeBytes },
                ]}
              />
            </>
          )
        }
      </Reading>
    </section>
  );
}

function usedShare(free: readonly number[], total: readonly number[]): number[] {
  return free.map((each, index) => 1 - each / Math.max(1, total[index] ?? 1));
}

function percent(free = 0, total = 0): string {
  return total === 0 ? '–' : `${Math.round((1 - free / total) * 100)} %`;
}
