import { Ago } from '../ui/ago.tsx';
import { useDocument } from '../ui/document.ts';
import { Link } from '../ui/link.tsx';
import { api } from './api.ts';
import { Listing } from './listing.tsx';

const SHOWN = 200;

const LIGHTS = { delivered: 'good', waiting: 'warn', failed: 'bad' } as const;

/** Reports that were missing or came back, the newest first, and who was told. */
export function AlarmsView() {
  const read = useDocument('alarms', ['alarm'], (signal) => api.read('alarms', { limit: SHOWN }, { signal }));
  return (
    <Listing
      read={read.value}
      rows={({ alarms }) => alarms}
      label="Alarms"
      columns={['Time', 'Machine', 'Schedule', 'Event', 'Delivery']}
      none="No alarm: no report has been missing."
    >
      {({ id, time, peer, peerId, schedule, event, deliveries }) => (
        <tr key={id}>
          <td>
            <Ago at={time} />
          </td>
          <th scope="row">
            <Link to={{ machine: peerId, view: undefined }}>{peer}</Link>
          </th>
          <td>{schedule}</td>
          <td>
            <span class={`light ${event === 'missing' ? 'bad' : 'good'}`}>
              {event === 'missing' ? 'report missing' : 'report is back'}
            </span>
          </td>
          <td>
            {deliveries.length === 0 && <span class="dim">no hook or webhook is set</span>}
            {deliveries.map(({ channel, state, tries, problem }) => (
              <span key={channel} class={`light ${LIGHTS[state]}`} title={problem ?? undefined}>
                {channel} {state}
                {tries > 1 && ` after ${tries} tries`}
                {problem !== null && `: ${problem}`}
              </span>
            ))}
          </td>
        </tr>
      )}
    </Listing>
  );
}
