import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Dialog } from '../ui/dialog.tsx';
import { announce, attempt } from '../ui/toasts.tsx';
import { Qr } from './qr.tsx';
import { api } from './api.ts';
import { groupsIn } from './change-dialogs.tsx';

const DAY_MS = 86_400_000;

/** Makes an invite, and shows its link and its QR code. */
export function InviteDialog({ onClose }: { readonly onClose: () => void }) {
  const link = useSignal<string | undefined>(undefined);
  const groups = useRef<HTMLInputElement>(null);
  const uses = useRef<HTMLInputElement>(null);
  const days = useRef<HTMLInputElement>(null);
  const invite = async (): Promise<void> => {
    const made = await api.change('memberInvite', {
      groups: groupsIn(groups.current?.value ?? ''),
      uses: Number(uses.current?.value ?? 1),
      expiresMs: Number(days.current?.value ?? 7) * DAY_MS,
    });
    link.value = made.link;
  };
  if (link.value !== undefined) {
    return (
      <Dialog title="Invite a machine" onClose={onClose}>
        <TheLink link={link.value} />
      </Dialog>
    );
  }
  return (
    <Dialog title="Invite a machine" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(invite);
        }}
      >
        <label class="field">
          Groups that it will be in, separated by spaces
          <input ref={groups} autocomplete="off" spellcheck={false} />
        </label>
        <div class="pair">
          <label class="field">
            Machines that may join
            <input ref={uses} type="number" min={1} max={10_000} defaultValue={1} required />
          </label>
          <label class="field">
            Valid for days
            <input ref={days} type="number" min={1} max={366} defaultValue={7} required />
          </label>
        </div>
        <footer>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary">
            Make an invite
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function TheLink({ link }: { readonly link: string }) {
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.select(), []);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(link);
    announce('The link is copied');
  };
  return (
    <>
      <p>
        Run <code>filer join -</code> on the other machine and paste the link there. Anyone who has the link
        can join.
      </p>
      <label class="field">
        Link
        <textarea ref={field} class="mono" readOnly rows={4} value={link} />
      </label>
      <Qr text={link} />
      <footer>
        {'clipboard' in navigator && (
          <button type="button" class="primary" onClick={() => void attempt(copy)}>
            Copy the link
          </button>
        )}
      </footer>
    </>
  );
}
