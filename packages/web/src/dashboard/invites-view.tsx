import { useState } from 'preact/hooks';
import { Ago } from '../ui/ago.tsx';
import { Ask } from '../ui/dialog.tsx';
import { useDocument } from '../ui/document.ts';
import { may } from '../ui/session.ts';
import { api } from './api.ts';
import { Listing } from './listing.tsx';

const ACTIONS = <span class="sr-only">Actions</span>;
const COLUMNS = ['Invite', 'State', 'Used', 'Groups', 'Expires', 'Joined with it', ACTIONS];

/** Invites that were made, and who joined with each. */
export function InvitesView() {
  const [revoking, setRevoking] = useState<string>();
  const read = useDocument('invites', ['invite', 'peer'], (signal) => api.read('inviteList', {}, { signal }));
  return (
    <>
      <Listing
        read={read.value}
        rows={({ invites }) => invites}
        label="Invites"
        columns={COLUMNS}
        none="No invite was made."
      >
        {({ id, state, used, uses, groups, expiresAt, members }) => (
          <tr key={id}>
            <th scope="row" class="mono">
              {id}
            </th>
            <td>
              <span class={`light ${state === 'open' ? 'good' : 'idle'}`}>{state}</span>
            </td>
            <td>
              {used}/{uses}
            </td>
            <td>{groups.map((group) => `@${group}`).join(' ')}</td>
            <td>
              <Ago at={expiresAt} />
            </td>
            <td>{members.join(', ')}</td>
            <td>
              {state === 'open' && may('admin') && (
                <button type="button" aria-label={`Revoke ${id}`} onClick={() => setRevoking(id)}>
                  Revoke
                </button>
              )}
            </td>
          </tr>
        )}
      </Listing>
      {revoking !== undefined && (
        <Ask
          title={`Revoke the invite ${revoking}?`}
          action="Revoke"
          isDangerous
          done={`The invite ${revoking} can no longer be used`}
          onDo={() => api.change('inviteRevoke', { id: revoking })}
          onClose={() => setRevoking(undefined)}
        >
          <p>It can no longer be used. Machines that joined with it stay members.</p>
        </Ask>
      )}
    </>
  );
}
