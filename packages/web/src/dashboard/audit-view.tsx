import { Ago } from '../ui/ago.tsx';
import { useDocument } from '../ui/document.ts';
import { api } from './api.ts';
import { Listing } from './listing.tsx';

const SHOWN = 200;

/** Who changed what, the newest first. */
export function AuditView() {
  const read = useDocument('audit', ['audit'], (signal) => api.read('audit', { limit: SHOWN }, { signal }));
  return (
    <Listing
      read={read.value}
      rows={({ entries }) => entries}
      label="Audit log"
      columns={['Time', 'Who', 'Did', 'What', 'Result']}
      none="Nothing was changed yet."
    >
      {({ number, time, by, name, action, target, machine, result }) => (
        <tr key={number}>
          <td>
            <Ago at={time} />
          </td>
          <th scope="row">
            {name} <span class="dim">{by}</span>
          </th>
          <td>{action}</td>
          <td class="long">
            {machine === null ? (
              target
            ) : (
              <>
                {machine} <span class="dim">{target}</span>
              </>
            )}
          </td>
          <td>
            <span class={`light ${result === 'ok' ? 'good' : result === null ? 'idle' : 'bad'}`}>
              {result ?? 'not finished'}
            </span>
          </td>
        </tr>
      )}
    </Listing>
  );
}
