import { useState } from 'preact/hooks';
import { address, go } from '../ui/address.ts';
import { Ago } from '../ui/ago.tsx';
import { useDocument } from '../ui/document.ts';
import { bytesText } from '../ui/format.ts';
import { Link } from '../ui/link.tsx';
import { Reading } from '../ui/reading.tsx';
import { Scrolled } from '../ui/scrolled.tsx';
import { may } from '../ui/session.ts';
import { attempt } from '../ui/toasts.tsx';
import { api } from './api.ts';

type Ledger = Awaited<ReturnType<typeof readLedger>>;
type Run = NonNullable<Ledger['run']>;

const readLedger = (name: string, run: string | null, signal: AbortSignal) =>
  api.read('collectShow', run === null ? { name } : { name, run }, { signal });

/** What is collected, and the ledger of the one that is chosen. */
export function CollectsView() {
  const read = useDocument('collects', ['collect'], (signal) => api.read('collects', {}, { signal }));
  const chosen = address.value.get('collect');
  return (
    <>
      <Reading read={read.value}>
        {({ collects }) =>
          collects.length === 0 ? (
            <p class="empty">
              Nothing is collected. <code>ip-server collect add</code> sets what is fetched from which
              machines, and when.
            </p>
          ) : (
            <Scrolled label="Collects">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Collect</th>
                    <th scope="col">From</th>
                    <th scope="col">Last run</th>
                    <th scope="col">Delivered</th>
                    <th scope="col">Next</th>
                  </tr>
                </thead>
                <tbody>
                  {collects.map(({ name, from, lastRun, nextAt }) => (
                    <tr key={name} class={chosen === name ? 'open' : ''}>
                      <th scope="row">
                        <Link to={{ collect: name, run: undefined }} isCurrent={chosen === name}>
                          {name}
                        </Link>
                      </th>
                      <td>{from.join(' ')}</td>
                      <td>
                        <Ago at={lastRun?.startedAt ?? null} none="never" />
                      </td>
                      <td>{lastRun === null ? '–' : <RunLight run={lastRun} />}</td>
                      <td>
                        <Ago at={nextAt} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scrolled>
          )
        }
      </Reading>
      {chosen !== null && <LedgerView key={chosen} name={chosen} />}
    </>
  );
}

function RunLight({ run }: { readonly run: Run }) {
  const { delivered, expected, missing, failed, late } = run;
  const light = missing + failed > 0 ? 'bad' : late > 0 ? 'warn' : delivered === expected ? 'good' : 'idle';
  return (
    <span class={`light ${light}`}>
      {delivered}/{expected}
      {missing > 0 && `, ${missing} missing`}
      {failed > 0 && `, ${failed} failed`}
      {late > 0 && `, ${late} late`}
    </span>
  );
}

const STATE_LIGHTS: Readonly<Record<string, string>> = {
  delivered: 'good',
  missing: 'bad',
  failed: 'bad',
  late: 'warn',
};

/** Begins a run. It continues without this call, which would follow it to its end. */
async function beginRun(name: string): Promise<void> {
  const following = new AbortController();
  try {
    await api.change('collectRun', { name }, { signal: following.signal, onItems: () => following.abort() });
  } catch (error) {
    if (!following.signal.aborted) throw error;
  }
}

function RunNow({ name }: { readonly name: string }) {
  const [isBusy, setBusy] = useState(false);
  const begin = async (): Promise<void> => {
    setBusy(true);
    const isBegun = await attempt(() => beginRun(name), `A run of ${name} has begun`);
    setBusy(false);
    // The newest run is shown.
    if (isBegun) go({ run: undefined });
  };
  return (
    <button type="button" disabled={isBusy} onClick={() => void begin()}>
      Run now
    </button>
  );
}

function LedgerView({ name }: { readonly name: string }) {
  const run = address.value.get('run');
  const read = useDocument(`${name} ${run}`, ['collect'], (signal) => readLedger(name, run, signal));
  return (
    <section class="ledger" aria-label={`Ledger of ${name}`}>
      <Reading read={read.value}>
        {({ run: shown, machines, runs }) => (
          <>
            <div class="titled">
              <h2>
                {name} {shown?.run}
              </h2>
              <nav aria-label="Runs" class="runs">
                {runs.slice(0, 10).map((each) => (
                  <Link key={each.id} to={{ run: each.run }} isCurrent={each.id === shown?.id}>
                    {each.run}
                  </Link>
                ))}
              </nav>
              {may('jobs') && <RunNow name={name} />}
            </div>
            <Scrolled label="Machines of the run">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Machine</th>
                    <th scope="col">State</th>
                    <th scope="col" class="number">
                      Files
                    </th>
                    <th scope="col" class="number">
                      Size
                    </th>
                    <th scope="col">Delivered</th>
                    <th scope="col">Reason</th>
                  </tr>
                </thead>
                <tbody>
                  {machines.map((machine) => (
                    <tr key={machine.id}>
                      <th scope="row">
                        <Link to={{ machine: machine.id, view: undefined, collect: undefined }}>
                          {machine.name}
                        </Link>
                      </th>
                      <td>
                        <span class={`light ${STATE_LIGHTS[machine.state] ?? 'idle'}`}>{machine.state}</span>
                      </td>
                      <td class="number">{machine.progress?.files ?? machine.files}</td>
                      <td class="number">{bytesText(machine.progress?.bytes ?? machine.bytes)}</td>
                      <td>
                        <Ago at={machine.deliveredAt} />
                      </td>
                      <td>{machine.reason ?? machine.failures.map(({ name: file }) => file).join(', ')}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scrolled>
          </>
        )}
      </Reading>
    </section>
  );
}
