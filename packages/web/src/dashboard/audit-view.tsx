import { Ago } from '../ui/ago.tsx';
import { useDocument } from '../ui/document.ts';
import { Reading } from '../ui/reading.tsx';
import { Scrolled } from '../ui/scrolled.tsx';
import { api } from './api.ts';

const SHOWN = 200;

/** Who changed what, the newest first. */
export function AuditView() {
  const read = useDocument('audit', ['audit'], (signal) => api.read('audit', { limit: SHOWN }, { signal }));
  return (
    <Reading read={read.value}>
      {({ entries }) =>
        entries.length === 0 ? (
          <p class="empty">Nothing was changed yet.</p>
        ) : (
          <Scrolled label="Audit log">
            <table>
              <thead>
                <tr>
                  <th scope="col">Time</th>
                  <th scope="col">Who</th>
                  <th scope="col">Did</th>
                  <th scope="col">What</th>
                  <th scope="col">Result</th>
                </tr>
              </thead>
              <tbody>
                {entries.toReversed().map(({ number, time, by, name, action, target, result }) => (
                  <tr key={number}>
                    <td>
                      <Ago at={time} />
                    </td>
                    <th scope="row">
                      {name} <span class="dim">{by}</span>
                    </th>
                    <td>{action}</td>
                    <td class="long">{target}</td>
                    <td>
                      <span class={`light ${result === 'ok' ? 'good' : result === null ? 'idle' : 'bad'}`}>
                        {result ?? 'not finished'}
                      </span>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scrolled>
        )
      }
    </Reading>
  );
}
