import { useState } from 'preact/hooks';
import { Ago } from '../ui/ago.tsx';
import { Ask } from '../ui/dialog.tsx';
import { useDocument } from '../ui/document.ts';
import { Reading } from '../ui/reading.tsx';
import { may } from '../ui/session.ts';
import { Scrolled } from '../ui/scrolled.tsx';
import { api } from './api.ts';

/** Invites that were made, and who joined with each. */
export function InvitesView() {
  const [revoking, setRevoking] = useState<string>();
  const read = useDocument('invites', ['invite', 'peer'], (signal) => api.read('inviteList', {}, { signal }));
  return (
    <>
      <Reading read={read.value}>
        {({ invites }) =>
          invites.length === 0 ? (
            <p class="empty">No invite was made.</p>
          ) : (
            <Scrolled label="Invites">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Invite</th>
                    <th scope="col">State</th>
                    <th scope="col">Used</th>
                    <th scope="col">Groups</th>
                    <th scope="col">Expires</th>
                    <th scope="col">Joined with it</th>
                    <th scope="col">
                      <span class="sr-only">Actions</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {invites.toReversed().map(({ id, state, used, uses, groups, expiresAt, members }) => (
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
                  ))}
                </tbody>
              </table>
            </Scrolled>
          )
        }
      </Reading>
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
