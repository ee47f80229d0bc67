import { go } from '../ui/address.ts';
import { Ask } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { api } from './api.ts';
import { refreshMachines, type Machine } from './machines.ts';

interface ChangeProps {
  readonly machine: Machine;
  readonly onClose: () => void;
}

export function RenameDialog({ machine: { id, name }, onClose }: ChangeProps) {
  return (
    <Ask
      title={`Rename ${name}`}
      action="Rename"
      done={`${name} has its new name`}
      onClose={onClose}
      onDo={async (typed) => {
        await api.change('memberChange', { peer: id, name: typed('name').trim() });
        await refreshMachines();
      }}
    >
      <Field name="name" label="New name" defaultValue={name} required maxLength={63} />
    </Ask>
  );
}

export function GroupsDialog({ machine: { id, name, groups }, onClose }: ChangeProps) {
  return (
    <Ask
      title={`Groups of ${name}`}
      action="Save"
      done={`The groups of ${name} are changed`}
      onClose={onClose}
      onDo={async (typed) => {
        await api.change('memberChange', { peer: id, groups: groupsIn(typed('groups')) });
        await refreshMachines();
      }}
    >
      <Field name="groups" label="Groups, separated by spaces" defaultValue={groups.join(' ')} />
    </Ask>
  );
}

export function groupsIn(text: string): string[] {
  return text
    .split(/[\s,]+/)
    .map((word) => word.replace(/^@/, ''))
    .filter((word) => word !== '');
}

export function RemoveDialog({ machine: { id, name, groups, online }, onClose }: ChangeProps) {
  return (
    <Ask
      title={`Remove ${name}?`}
      action={`Remove ${name}`}
      isDangerous
      done={`${name} was removed`}
      onClose={onClose}
      onDo={async () => {
        await api.change('memberRemove', { peer: id });
        await refreshMachines();
        go({ machine: undefined });
      }}
    >
      <p>
        <b>{name}</b> {groups.map((group) => `@${group}`).join(' ')} ({id})
        {online ? ', which is online,' : ''} is removed permanently: its connections close, and no machine
        talks to it any longer.
      </p>
      <p>It comes back only with a new identity and a new invite. Its reports here are kept.</p>
    </Ask>
  );
}
