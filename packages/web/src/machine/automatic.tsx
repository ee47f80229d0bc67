import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { Ago } from '../ui/ago.tsx';
import { Ask } from '../ui/dialog.tsx';
import type { Read } from '../ui/document.ts';
import { Unread } from '../ui/reading.tsx';
import { attempt } from '../ui/toasts.tsx';
import { api } from './api.ts';
import { confirm } from './confirm.tsx';
import { schedules, shares, watches, type Doc } from './documents.ts';
import { filesWords, type Light } from './words.ts';

/** What this machine does by itself: folders that it ships, and reports. */
export function Automatic() {
  return (
    <>
      <Watches />
      <Schedules />
      <Shares />
    </>
  );
}

interface ListProps {
  readonly id: string;
  readonly title: string;
  /** On the button that adds one. */
  readonly add: string;
  readonly onAdd: () => void;
  readonly read: Read<unknown>;
  readonly none: ComponentChildren;
  readonly isEmpty: boolean;
  readonly children: ComponentChildren;
}

function List({ id, title, add, onAdd, read, none, isEmpty, children }: ListProps) {
  return (
    <section aria-labelledby={id}>
      <header class="head">
        <h2 id={id}>{title}</h2>
        <button type="button" onClick={onAdd}>
          {add}
        </button>
      </header>
      {read.value === undefined ? (
        <Unread read={read} />
      ) : isEmpty ? (
        <p class="empty">{none}</p>
      ) : (
        <ul class="card list">{children}</ul>
      )}
    </section>
  );
}

type Watch = Doc<'watchList'>['watches'][number];

const WATCH_LIGHT: Readonly<Record<Watch['state'], Light>> = {
  watching: 'good',
  blind: 'warn',
  'folder-missing': 'bad',
  failing: 'bad',
  stopped: 'idle',
};

function Watches() {
  const [adds, setAdds] = useState(false);
  const { read } = watches();
  const found = read.value.value?.watches ?? [];
  return (
    <>
      <List
        id="watches"
        title="Watched folders"
        add="Watch a folder"
        onAdd={() => setAdds(true)}
        read={read.value}
        none="No folder is watched. New and changed files of a watched folder are sent by themselves."
        isEmpty={found.length === 0}
      >
        {found.map((watch) => (
          <WatchRow key={watch.id} watch={watch} />
        ))}
      </List>
      {adds && <AddWatch onClose={() => setAdds(false)} />}
    </>
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
      <button
        type="button"
        class="quiet"
        aria-label={`Remove the watch ${name}`}
        onClick={() =>
          confirm({
            title: `Stop watching ${name}?`,
            text: `${folder} stays as it is, and its files are no longer sent by themselves.`,
            action: 'Stop watching',
            done: `${name} is no longer watched.`,
            work: async () => {
              await api.change('watchRemove', { which: id, folder });
              watches().refresh();
            },
          })
        }
      >
        Remove
      </button>
    </li>
  );
}

function AddWatch({ onClose }: { readonly onClose: () => void }) {
  const typedRef = useRef({ folder: '', to: '', note: '' });
  return (
    <Ask
      title="Watch a folder"
      action="Watch it"
      done="The folder is watched."
      onClose={onClose}
      onDo={async () => {
        const to = typedRef.current.to.split(/[\s,]+/).filter((each) => each !== '');
        const times = { settleMs: 2_000, rescanMs: 60_000 };
        await api.change('watchAdd', {
          folder: typedRef.current.folder,
          to,
          note: typedRef.current.note,
          ...times,
        });
        watches().refresh();
      }}
    >
      <Field
        label="Folder of this machine"
        hint="/home/me/outbox"
        isRequired
        onText={(text) => {
          typedRef.current.folder = text;
        }}
      />
      <Field
        label="To (names, @group, @all)"
        hint="bob, @lab"
        isRequired
        onText={(text) => {
          typedRef.current.to = text;
        }}
      />
      <Field
        label="Note for the receivers"
        hint=""
        onText={(text) => {
          typedRef.current.note = text;
        }}
      />
    </Ask>
  );
}

interface FieldProps {
  readonly label: string;
  readonly hint: string;
  readonly isRequired?: boolean;
  readonly onText: (text: string) => void;
}

function Field({ label, hint, isRequired = false, onText }: FieldProps) {
  return (
    <label class="field">
      {label}
      <input
        required={isRequired}
        placeholder={hint}
        onInput={({ currentTarget }) => onText(currentTarget.value)}
      />
    </label>
  );
}

function Schedules() {
  const [adds, setAdds] = useState(false);
  const { read } = schedules();
  const found = read.value.value;
  const list = found?.schedules ?? [];
  return (
    <>
      <List
        id="schedules"
        title="Scheduled reports"
        add="Add a schedule"
        onAdd={() => setAdds(true)}
        read={read.value}
        none="Nothing is reported on a schedule."
        isEmpty={list.length === 0}
      >
        {list.map((schedule) => (
          <ScheduleRow key={schedule.name} schedule={schedule} />
        ))}
      </List>
      {found?.mistakes.map(({ message }) => (
        <p key={message} class="notice bad">
          {message}
        </p>
      ))}
      {adds && <AddSchedule onClose={() => setAdds(false)} />}
    </>
  );
}

function ScheduleRow({ schedule }: { readonly schedule: Doc<'scheduleList'>['schedules'][number] }) {
  const { name, every, cron, command, title, nextAt, running, lastAt, lastFailure } = schedule;
  return (
    <li>
      <div>
        <p>
          <strong class="path">{name}</strong> {every === null ? `at ${cron}` : `every ${every}`}{' '}
          <code class="dim path">{command.length > 0 ? command.join(' ') : title}</code>
        </p>
        <p class="dim facts">
          <span class={`light ${lastFailure === null ? (lastAt === null ? 'idle' : 'good') : 'bad'}`}>
            {running ? 'runs now' : (lastFailure ?? (lastAt === null ? 'has not run yet' : 'reported'))}
          </span>
          {lastAt !== null && (
            <span>
              last <Ago at={lastAt} />
            </span>
          )}
          <span>
            next <Ago at={nextAt} none="now" />
          </span>
        </p>
      </div>
      <div class="actions">
        {command.length === 0 && (
          <button
            type="button"
            class="quiet"
            aria-label={`Run now: ${name}`}
            onClick={() => void attempt(() => api.change('scheduleRun', { name }), `${name} has run.`)}
          >
            Run now
          </button>
        )}
        <button
          type="button"
          class="quiet"
          aria-label={`Remove the schedule ${name}`}
          onClick={() =>
            confirm({
              title: `Remove the schedule ${name}?`,
              text: 'It is no longer reported, and the ip-server no longer expects it.',
              action: 'Remove',
              done: `The schedule ${name} was removed.`,
              work: async () => {
                await api.change('scheduleRemove', { name });
                schedules().refresh();
              },
            })
          }
        >
          Remove
        </button>
      </div>
    </li>
  );
}

function AddSchedule({ onClose }: { readonly onClose: () => void }) {
  const typedRef = useRef({ name: '', every: '', title: '', attach: '' });
  return (
    <Ask
      title="Add a schedule"
      action="Add"
      done="The schedule was added."
      onClose={onClose}
      onDo={async () => {
        const { name, every, title, attach } = typedRef.current;
        const when = every.includes(' ') ? { cron: every } : { every };
        const files = attach === '' ? {} : { attach: [attach] };
        await api.change('scheduleAdd', { schedule: { name, title, ...when, ...files } });
        schedules().refresh();
      }}
    >
      <Field
        label="Name"
        hint="logs"
        isRequired
        onText={(text) => {
          typedRef.current.name = text;
        }}
      />
      <Field
        label="Every, or a cron line"
        hint="10m, or 0 18 * * *"
        isRequired
        onText={(text) => {
          typedRef.current.every = text;
        }}
      />
      <Field
        label="Title"
        hint="Logs of today"
        isRequired
        onText={(text) => {
          typedRef.current.title = text;
        }}
      />
      <Field
        label="Files to attach (a path or a pattern)"
        hint="/var/log/app/*.log"
        onText={(text) => {
          typedRef.current.attach = text;
        }}
      />
      <p class="dim">
        A schedule that runs a command is added and run in a terminal, with{' '}
        <code>filer-client report schedule</code>.
      </p>
    </Ask>
  );
}

function Shares() {
  const [adds, setAdds] = useState(false);
  const { read } = shares();
  const found = read.value.value?.shares ?? [];
  return (
    <>
      <List
        id="shares"
        title="Shared folders"
        add="Share a folder"
        onAdd={() => setAdds(true)}
        read={read.value}
        none="Nothing is shared. Other machines can look into a shared folder and fetch from it."
        isEmpty={found.length === 0}
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
            <button
              type="button"
              class="quiet"
              aria-label={`Remove the share ${name}`}
              onClick={() =>
                confirm({
                  title: `Stop sharing ${name}?`,
                  text: `${folder} stays as it is; what is fetched from it now ends.`,
                  action: 'Stop sharing',
                  done: `${name} is no longer shared.`,
                  work: async () => {
                    await api.change('shareRemove', { name });
                    shares().refresh();
                  },
                })
              }
            >
              Remove
            </button>
          </li>
        ))}
      </List>
      {adds && <AddShare onClose={() => setAdds(false)} />}
    </>
  );
}

function AddShare({ onClose }: { readonly onClose: () => void }) {
  const typedRef = useRef({ folder: '', name: '', groups: '' });
  return (
    <Ask
      title="Share a folder"
      action="Share it"
      done="The folder is shared."
      onClose={onClose}
      onDo={async () => {
        const groups = typedRef.current.groups.split(/[\s,@]+/).filter((each) => each !== '');
        const named = typedRef.current.name === '' ? {} : { name: typedRef.current.name };
        await api.change('shareAdd', { folder: typedRef.current.folder, groups, ...named });
        shares().refresh();
      }}
    >
      <Field
        label="Folder of this machine"
        hint="/home/me/public"
        isRequired
        onText={(text) => {
          typedRef.current.folder = text;
        }}
      />
      <Field
        label="Name (its own if empty)"
        hint=""
        onText={(text) => {
          typedRef.current.name = text;
        }}
      />
      <Field
        label="Only for these groups (all members if empty)"
        hint="lab"
        onText={(text) => {
          typedRef.current.groups = text;
        }}
      />
    </Ask>
  );
}
