import { Ask } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { api } from './api.ts';
import { shares } from './documents.ts';
import { Entries, Remove, wordsIn } from './entries.tsx';

/** Folders that others may look into. */
export function Shares() {
  const { read } = shares();
  const found = read.value.value?.shares ?? [];
  return (
    <Entries
      id="shares"
      title="Shared folders"
      add="Share a folder"
      Add={AddShare}
      read={read.value}
      none="Nothing is shared. Other machines can look into a shared folder and fetch from it."
    >
      {found.map(({ name, folder, groups, server }) => (
        <li key={name}>
          <div>
            <p>
              <strong class="path">{name}</strong> <span class="dim path">{folder}</span>
            </p>
            <p class="dim">
              {server
                ? 'for the ip-server'
                : groups.length === 0
                  ? 'for all members'
                  : `for ${groups.map((group) => `@${group}`).join(', ')}`}
            </p>
          </div>
          <Remove
            label={`Remove the share ${name}`}
            title={`Stop sharing ${name}?`}
            text={`${folder} stays as it is; what is fetched from it now ends.`}
            action="Stop sharing"
            done={`${name} is no longer shared.`}
            work={async () => {
              await api.change('shareRemove', { name });
              shares().refresh();
            }}
          />
        </li>
      ))}
    </Entries>
  );
}

function AddShare({ onClose }: { readonly onClose: () => void }) {
  return (
    <Ask
      title="Share a folder"
      action="Share it"
      done="The folder is shared."
      onClose={onClose}
      onDo={async (typed) => {
        const groups = wordsIn(typed('groups').replaceAll('@', ' '));
        const named = typed('name') === '' ? {} : { name: typed('name') };
        await api.change('shareAdd', { folder: typed('folder'), groups, ...named });
        shares().refresh();
      }}
    >
      <Field name="folder" label="Folder of this machine" placeholder="/home/me/public" required />
      <Field name="name" label="Name (its own if empty)" />
      <Field name="groups" label="Only for these groups (all members if empty)" placeholder="lab" />
    </Ask>
  );
}
