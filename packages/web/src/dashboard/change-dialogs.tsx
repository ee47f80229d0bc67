import { useRef } from 'preact/hooks';
import { go } from '../ui/address.ts';
import { Ask } from '../ui/dialog.tsx';
import { api } from './api.ts';
import { refreshMachines, type Machine } from './machines.ts';

interface ChangeProps {
  readonly machine: Machine;
  readonly onClose: () => void;
}

export function RenameDialog({ machine: { id, name }, onClose }: ChangeProps) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <Ask
      title={`Rename ${name}`}
      action="Rename"
      done={`${name} has its new name`}
      onClose={onClose}
      onDo={async () => {
        await api.change('memberChange', { peer: id, name: field.current?.value.trim() ?? '' });
        await refreshMachines();
      }}
    >
      <label class="field">
        New name
        <input
          ref={field}
          defaultValue={name}
          required
          maxLength={63}
          autocomplete="off"
          spellcheck={false}
        />
      </label>
    </Ask>
  );
}

export function GroupsDialog({ machine: { id, name, groups }, onClose }: ChangeProps) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <Ask
      title={`Groups of ${name}`}
      action="Save"
      done={`The groups of ${name} are changed`}
      onClose={onClose}
      onDo={async () => {
        await api.change('memberChange', { peer: id, groups: groupsIn(field.current?.value ?? '') });
        await refreshMachines();
      }}
    >
      <label class="field">
        Groups, separated by spaces
        <input ref={field} defaultValue={groups.join(' ')} autocomplete="off" spellcheck={false} />
      </label>
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
