import { Ago } from '../ui/ago.tsx';
import { Ask } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { api } from './api.ts';
import { watches, type Doc } from './documents.ts';
import { Entries, Remove, wordsIn } from './entries.tsx';
import { filesWords, type Light } from './words.ts';

type Watch = Doc<'watchList'>['watches'][number];

const WATCH_LIGHT: Readonly<Record<Watch['state'], Light>> = {
  watching: 'good',
  blind: 'warn',
  'folder-missing': 'bad',
  failing: 'bad',
  stopped: 'idle',
};

/** Folders of which new and changed files are sent. */
export function Watches() {
  const { read } = watches();
  const found = read.value.value?.watches ?? [];
  return (
    <Entries
      id="watches"
      title="Watched folders"
      add="Watch a folder"
      Add={AddWatch}
      read={read.value}
      none="No folder is watched. New and changed files of a watched folder are sent by themselves."
    >
      {found.map((watch) => (
        <WatchRow key={watch.id} watch={watch} />
      ))}
    </Entries>
  );
}

function WatchRow({ watch }: { readonly watch: Watch }) {
  const { id, name, folder, to, state, reason, waiting, shipped, lastShippedAt } = watch;
  return (
    <li>
      <div>
        <p>
          <strong class="path">{name}</strong> <span class="dim path">{folder}</span> to {to.join(', ')}
        </p>
        <p class="dim facts">
          <span class={`light ${WATCH_LIGHT[state]}`}>{state}</span>
          {reason !== null && <span>{reason}</span>}
          <span>{filesWords(shipped)} shipped</span>
          {waiting > 0 && <span>{filesWords(waiting)} wait</span>}
          {lastShippedAt !== null && (
            <span>
              last <Ago at={lastShippedAt} />
            </span>
          )}
        </p>
      </div>
      <Remove
        label={`Remove the watch ${name}`}
        title={`Stop watching ${name}?`}
        text={`${folder} stays as it is, and its files are no longer sent by themselves.`}
        action="Stop watching"
        done={`${name} is no longer watched.`}
        work={async () => {
          await api.change('watchRemove', { which: id, folder });
          watches().refresh();
        }}
      />
    </li>
  );
}

function AddWatch({ onClose }: { readonly onClose: () => void }) {
  return (
    <Ask
      title="Watch a folder"
      action="Watch it"
      done="The folder is watched."
      onClose={onClose}
      onDo={async (typed) => {
        const times = { settleMs: 2_000, rescanMs: 60_000 };
        await api.change('watchAdd', {
          folder: typed('folder'),
          to: wordsIn(typed('to')),
          note: typed('note'),
          ...times,
        });
        watches().refresh();
      }}
    >
      <Field name="folder" label="Folder of this machine" placeholder="/home/me/outbox" required />
      <Field name="to" label="To (names, @group, @all)" placeholder="bob, @lab" required />
      <Field name="note" label="Note for the receivers" />
    </Ask>
  );
}
