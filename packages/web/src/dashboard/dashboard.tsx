import { useEffect, useState } from 'preact/hooks';
import { address } from '../ui/address.ts';
import { connection, onEvents, refresher } from '../ui/events.ts';
import { KeysHelp, useKeys, type Shortcut } from '../ui/keys.tsx';
import { Link } from '../ui/link.tsx';
import { may } from '../ui/session.ts';
import { SignOut } from '../ui/sign-out.tsx';
import { AlarmsView } from './alarms-view.tsx';
import { AuditView } from './audit-view.tsx';
import { CollectsView } from './collects-view.tsx';
import { InviteDialog } from './invite-dialog.tsx';
import { InvitesView } from './invites-view.tsx';
import { MachineActions } from './machine-actions.tsx';
import { MachineDetail } from './machine-detail.tsx';
import { MachineTable } from './machine-table.tsx';
import { refreshMachines } from './machines.ts';
import { MessagesView } from './messages-view.tsx';
import { Reports } from './reports.tsx';
import { Summary } from './summary.tsx';
import { TransfersView } from './transfers-view.tsx';

const VIEWS = [
  ['', 'Machines'],
  ['reports', 'Reports'],
  ['transfers', 'Transfers'],
  ['collects', 'Collects'],
  ['alarms', 'Alarms'],
  ['messages', 'Messages'],
  ['invites', 'Invites'],
  ['audit', 'Audit'],
] as const;

type Opened = 'keys' | 'invite';

export function Dashboard() {
  const [opened, setOpened] = useState<Opened>();
  const [shortcuts] = useState<readonly Shortcut[]>([
    { key: '?', does: 'show these keys', run: () => setOpened('keys') },
  ]);
  useKeys(shortcuts);
  useEffect(() => {
    const refresh = refresher(refreshMachines);
    refresh();
    return onEvents(['peer', 'report', 'schedule'], refresh);
  }, []);
  const view = address.value.get('view') ?? '';
  const close = (): void => setOpened(undefined);
  return (
    <>
      <a class="skip" href="#content">
        Skip to the list
      </a>
      <header class="top">
        <h1>filer</h1>
        <Summary />
        <div class="tools">
          <Live />
          <button type="button" class="quiet" aria-label="Keys" onClick={() => setOpened('keys')}>
            <kbd>?</kbd>
          </button>
          <SignOut />
          {may('admin') && (
            <button type="button" class="primary" onClick={() => setOpened('invite')}>
              Invite
            </button>
          )}
        </div>
      </header>
      <nav class="views" aria-label="Views">
        {VIEWS.filter(([name]) => name !== 'audit' || may('admin')).map(([name, words]) => (
          <Link
            key={name}
            to={{ view: name, machine: undefined, collect: undefined, run: undefined }}
            isCurrent={view === name}
          >
            {words}
          </Link>
        ))}
      </nav>
      {connection.value === 'lost' && (
        <div class="notice bad" role="alert">
          The server does not answer. What is shown may be old; the page continues by itself when it is back.
        </div>
      )}
      <main id="content" tabIndex={-1}>
        <View name={view} />
      </main>
      <MachineActions />
      {opened === 'keys' && <KeysHelp onClose={close} />}
      {opened === 'invite' && <InviteDialog onClose={close} />}
    </>
  );
}

function View({ name }: { readonly name: string }) {
  const machine = address.value.get('machine');
  switch (name) {
    case 'reports':
      return <Reports />;
    case 'transfers':
      return <TransfersView />;
    case 'collects':
      return <CollectsView />;
    case 'alarms':
      return <AlarmsView />;
    case 'messages':
      return <MessagesView />;
    case 'invites':
      return <InvitesView />;
    case 'audit':
      return <AuditView />;
    default:
      return (
        <div class={machine === null ? 'split' : 'split opened'}>
          <MachineTable />
          {machine !== null && <MachineDetail id={machine} />}
        </div>
      );
  }
}

const LIVE = { live: ['good', 'live'], connecting: ['idle', 'connecting'], lost: ['bad', 'lost'] } as const;

function Live() {
  const [light, words] = LIVE[connection.value];
  return (
    <span class={`light live ${light}`} role="status">
      {words}
    </span>
  );
}
