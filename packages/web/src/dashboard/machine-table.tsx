import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Ago } from '../ui/ago.tsx';
import { address, go } from '../ui/address.ts';
import { bytesText, shortId } from '../ui/format.ts';
import { useKeys, type Shortcut } from '../ui/keys.tsx';
import { Link } from '../ui/link.tsx';
import { WindowedRows } from '../ui/windowed.tsx';
import { may } from '../ui/session.ts';
import { Light } from './light.tsx';
import { act } from './machine-actions.tsx';
import { Groups } from './summary.tsx';
import {
  filter,
  isComplete,
  isSeveral,
  machines,
  moved,
  problem,
  putInOrder,
  shown,
  type Machine,
} from './machines.ts';

/** The row that the keys act on. */
const chosen = signal<string | undefined>(undefined);

const ROW_HEIGHT = 45;

function move(by: number): void {
  const rows = shown.value;
  const at = rows.findIndex(({ id }) => id === chosen.value);
  const to = Math.max(0, Math.min(rows.length - 1, at === -1 ? 0 : at + by));
  const id = rows[to]?.id;
  if (id === undefined) return;
  chosen.value = id;
  if (address.value.has('machine')) go({ machine: id }, true);
  const body = document.querySelector('.machines tbody');
  if (body === null) return;
  const row =
    document.querySelector('.machines tbody tr:not(.spacer)')?.getBoundingClientRect().height ?? ROW_HEIGHT;
  const top = body.getBoundingClientRect().top + scrollY + to * row;
  // Not scrollIntoView: the row may not be drawn yet.
  if (top < scrollY + 140) scrollTo({ top: Math.max(0, top - 140) });
  else if (top + 2 * row > scrollY + innerHeight) scrollTo({ top: top + 2 * row - innerHeight });
}

const SHORTCUTS: readonly Shortcut[] = [
  {
    key: '/',
    does: 'search machines',
    run: () => document.querySelector<HTMLInputElement>('#search')?.focus(),
  },
  { key: 'j', does: 'next machine', run: () => move(1) },
  { key: 'k', does: 'previous machine', run: () => move(-1) },
  {
    key: 'Enter',
    does: 'open the machine',
    run: () => (chosen.value === undefined ? false : go({ machine: chosen.value })),
  },
];

export function MachineTable() {
  useKeys(SHORTCUTS);
  useEffect(() => {
    const open = address.value.get('machine');
    if (open !== null) chosen.value = open;
  }, [address.value]);
  const { text, standing, group } = filter.value;
  const isNarrowed = text !== '' || group !== '' || standing !== '';
  return (
    <section class={isSeveral.value ? 'machines several' : 'machines'} aria-label="Machines">
      <div class="bar">
        <input
          id="search"
          aria-label="Search machines"
          type="search"
          placeholder="Search name, group, address…  ( / )"
          value={text}
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => go({ q: currentTarget.value }, true)}
        />
        {isNarrowed && (
          <Link class="button" to={{ q: undefined, show: undefined, group: undefined }}>
            Clear filters
          </Link>
        )}
        <output class="moved">
          {moved.value > 0 && (
            <button type="button" onClick={putInOrder}>
              {moved.value} changed — show
            </button>
          )}
        </output>
      </div>
      <Groups />
      {problem.value !== undefined && (
        <p class="notice" role="alert">
          The list of machines cannot be read: {problem.value}. It is read again by itself.
        </p>
      )}
      {shown.value.length === 0 && isComplete.value ? (
        <Nothing isNarrowed={isNarrowed} />
      ) : (
        <table aria-rowcount={shown.value.length + 1}>
          <caption class="sr-only">
            {shown.value.length} of {machines.value.size} machines
          </caption>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">State</th>
              <th scope="col">Seen</th>
              <th scope="col">Reported</th>
              <th scope="col">Next due</th>
              <th scope="col">Groups</th>
              <th scope="col" class="number">
                Free
              </th>
              <th scope="col">Address</th>
              <th scope="col">Version</th>
              {isSeveral.value && (
                <th scope="col" class="server">
                  Server
                </th>
              )}
              {may('admin') && (
                <th scope="col" class="more">
                  <span class="sr-only">Actions</span>
                </th>
              )}
            </tr>
          </thead>
          <WindowedRows
            items={shown.value}
            keyOf={({ id }) => id}
            row={(machine, index) => <Row machine={machine} index={index} />}
            rowHeight={ROW_HEIGHT}
          />
        </table>
      )}
    </section>
  );
}

function Row({ machine, index }: { readonly machine: Machine; readonly index: number }) {
  const { id, name, groups, standing, online, stopped, overdue } = machine;
  const isOpen = address.value.get('machine') === id;
  const isLate = standing === 'late' || standing === 'missing';
  const words =
    isLate && !online ? `${standing}, offline` : standing === 'offline' && stopped ? 'stopped' : standing;
  const open = ({ target }: MouseEvent): void => {
    if (target instanceof Element && target.closest('a, button') === null) go({ machine: id });
  };
  return (
    // The link in it does the same for keys and screen readers.
    <tr
      class={`${isOpen ? 'open' : ''} ${chosen.value === id ? 'chosen' : ''}`}
      aria-rowindex={index + 2}
      onClick={open}
    >
      <th scope="row" class="cut">
        <Link to={{ machine: id }} title={name} isCurrent={isOpen}>
          {name}
        </Link>
      </th>
      <td title={overdue.join(', ')}>
        <Light standing={standing} words={words} />
      </td>
      <td data-label="seen">
        <Ago at={machine.seenAt} />
      </td>
      <td data-label="reported">
        <Ago at={machine.reportedAt} none="never" />
      </td>
      <td data-label="due">
        <Ago at={machine.dueAt} />
      </td>
      <td class="cut tags" title={groups.join(', ')}>
        {groups.map((group) => (
          <span key={group} class="tag">
            {group}
          </span>
        ))}
      </td>
      <td class="number" data-label="free">
        {machine.freeBytes === null ? <span class="dim">–</span> : bytesText(machine.freeBytes)}
      </td>
      <td class="cut" title={machine.via === null ? 'not connected' : `connected: ${machine.via}`}>
        {machine.address ?? <span class="dim">–</span>} <span class="dim">{machine.via}</span>
      </td>
      <td class="cut dim">{machine.version ?? '–'}</td>
      {isSeveral.value && (
        <td class="server dim" title={machine.server ?? 'not connected'}>
          {machine.server === null ? '–' : shortId(machine.server)}
        </td>
      )}
      {may('admin') && (
        <td class="more">
          <button
            type="button"
            class="quiet"
            aria-label={`Actions for ${name}`}
            onClick={() => act(id, 'choose')}
          >
            ⋯
          </button>
        </td>
      )}
    </tr>
  );
}

function Nothing({ isNarrowed }: { readonly isNarrowed: boolean }) {
  if (isNarrowed) return <p class="empty">No machine matches the filters.</p>;
  return (
    <p class="empty">
      No machine has joined yet: invite one with the button “Invite”, and run <code>filer join -</code> on it.
    </p>
  );
}
