import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { useDocument } from '../ui/document.ts';
import { Chart } from '../ui/chart.tsx';
import { isAbout } from '../ui/about.ts';
import { api } from './api.ts';

/** The numbers of its reports over time, of one schedule at a time. */
export function Series({ id }: { readonly id: string }) {
  const schedules = useDocument(
    id,
    ['schedule', 'report'],
    async (signal) => (await api.read('reportSchedules', { peer: id }, { signal })).schedules,
    { isChange: isAbout(id) },
  );
  const chosen = useSignal<string | undefined>(undefined);
  const names = schedules.value.value ?? [];
  // It stays while reports of other schedules come.
  const first = useRef<string>(undefined);
  first.current ??= names[0];
  const schedule = chosen.value ?? first.current;
  if (schedule === undefined) return null;
  return (
    <section>
      <div class="titled">
        <h3>Reported numbers</h3>
        <label>
          <span class="sr-only">Schedule</span>
          <select value={schedule} onChange={({ currentTarget }) => (chosen.value = currentTarget.value)}>
            {names.map((name) => (
              <option key={name} value={name}>
                {name === '' ? 'reports made by hand' : name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <SeriesChart id={id} schedule={schedule} />
    </section>
  );
}

function SeriesChart({ id, schedule }: { readonly id: string; readonly schedule: string }) {
  const read = useDocument(
    `${id} ${schedule}`,
    ['report'],
    (signal) => api.read('reportSeries', { peer: id, schedule }, { signal }),
    { isChange: isAbout(id) },
  );
  const { value } = read.value;
  if (value === undefined) return null;
  if (value.series.length === 0) return <p class="dim">The values of these reports are not numbers.</p>;
  // Each by itself: their sizes have nothing in common.
  return (
    <>
      {value.series.map((line) => (
        <Chart key={line.name} times={value.times} lines={[line]} label={line.name} height={130} />
      ))}
    </>
  );
}
