import { useDocument } from '../ui/document.ts';
import { bytesText } from '../ui/format.ts';
import { Link } from '../ui/link.tsx';
import { Reading } from '../ui/reading.tsx';
import { Scrolled } from '../ui/scrolled.tsx';
import { api } from './api.ts';

type Transfer = Awaited<ReturnType<typeof readTransfers>>[number];

async function readTransfers(signal: AbortSignal) {
  return (await api.read('transfers', {}, { signal })).transfers;
}

/** What members send each other now, as they tell it. @param machine only what it takes part in */
export function TransfersView({ machine }: { readonly machine?: string }) {
  const read = useDocument(`transfers ${machine}`, ['transfer'], readTransfers);
  return (
    <Reading read={read.value}>
      {(all) => {
        const shown = all.filter(
          ({ fromId, toId }) => machine === undefined || [fromId, toId].includes(machine),
        );
        if (shown.length === 0)
          return <p class={machine === undefined ? 'empty' : 'dim'}>No transfer runs.</p>;
        return (
          <Scrolled label="Transfers">
            <table>
              <thead>
                <tr>
                  <th scope="col">From</th>
                  <th scope="col">To</th>
                  <th scope="col">Progress</th>
                  <th scope="col" class="number">
                    Rate
                  </th>
                </tr>
              </thead>
              <tbody>
                {shown.map((transfer, index) => (
                  <Row key={`${transfer.fromId} ${transfer.toId} ${index}`} transfer={transfer} />
                ))}
              </tbody>
            </table>
          </Scrolled>
        );
      }}
    </Reading>
  );
}

function Row({ transfer }: { readonly transfer: Transfer }) {
  const { from, fromId, to, toId, filesDone, filesTotal, bytesDone, bytesTotal, bytesPerSecond } = transfer;
  return (
    <tr>
      <td>
        <Link to={{ machine: fromId, view: undefined }}>{from}</Link>
      </td>
      <td>
        <Link to={{ machine: toId, view: undefined }}>{to}</Link>
      </td>
      <td>
        <progress value={bytesDone} max={Math.max(1, bytesTotal)} aria-label={`${from} to ${to}`} />{' '}
        <span class="dim">
          {filesDone}/{filesTotal} files, {bytesText(bytesDone)} of {bytesText(bytesTotal)}
        </span>
      </td>
      <td class="number">{bytesPerSecond === 0 ? '–' : `${bytesText(bytesPerSecond)}/s`}</td>
    </tr>
  );
}
