import { signal } from '@preact/signals';
import { Dialog } from '../ui/dialog.tsx';
import { GroupsDialog, RemoveDialog, RenameDialog } from './change-dialogs.tsx';
import { machines } from './machines.ts';

type Action = 'choose' | 'rename' | 'groups' | 'remove';

/** What is done to which machine: one dialog for the list and for the open machine. */
const acting = signal<{ readonly id: string; readonly action: Action } | undefined>(undefined);

export function act(id: string, action: Action): void {
  acting.value = { id, action };
}

const close = (): void => {
  acting.value = undefined;
};

/** The dialog of what is done to a machine, where one is open. */
export function MachineActions() {
  const machine = machines.value.get(acting.value?.id ?? '');
  if (machine === undefined || acting.value === undefined) return null;
  switch (acting.value.action) {
    case 'rename':
      return <RenameDialog machine={machine} onClose={close} />;
    case 'groups':
      return <GroupsDialog machine={machine} onClose={close} />;
    case 'remove':
      return <RemoveDialog machine={machine} onClose={close} />;
    default:
      return (
        <Dialog title={machine.name} onClose={close}>
          <ActionButtons id={machine.id} />
        </Dialog>
      );
  }
}

export function ActionButtons({ id }: { readonly id: string }) {
  return (
    <div class="actions">
      <button type="button" onClick={() => act(id, 'rename')}>
        Rename
      </button>
      <button type="button" onClick={() => act(id, 'groups')}>
        Groups
      </button>
      <button type="button" onClick={() => act(id, 'remove')}>
        Remove
      </button>
    </div>
  );
}
