import { Ago } from '../ui/ago.tsx';
import { Ask } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { attempt } from '../ui/toasts.tsx';
import { api } from './api.ts';
import { schedules, type Doc } from './documents.ts';
import { Entries, Remove } from './entries.tsx';

/** What is reported by a timetable. */
export function Schedules() {
  const { read } = schedules();
  const found = read.value.value;
  const list = found?.schedules ?? [];
  return (
    <>
      <Entries
        id="schedules"
        title="Scheduled reports"
        add="Add a schedule"
        Add={AddSchedule}
        read={read.value}
        none="Nothing is reported on a schedule."
      >
        {list.map((schedule) => (
          <ScheduleRow key={schedule.name} schedule={schedule} />
        ))}
      </Entries>
      {found?.mistakes.map(({ message }) => (
        <p key={message} class="notice bad">
          {message}
        </p>
      ))}
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
        <Remove
          label={`Remove the schedule ${name}`}
          title={`Remove the schedule ${name}?`}
          text="It is no longer reported, and the ip-server no longer expects it."
          action="Remove"
          done={`The schedule ${name} was removed.`}
          work={async () => {
            await api.change('scheduleRemove', { name });
            schedules().refresh();
          }}
        />
      </div>
    </li>
  );
}

function AddSchedule({ onClose }: { readonly onClose: () => void }) {
  return (
    <Ask
      title="Add a schedule"
      action="Add"
      done="The schedule was added."
      onClose={onClose}
      onDo={async (typed) => {
        const [every, attach] = [typed('every'), typed('attach')];
        const when = every.includes(' ') ? { cron: every } : { every };
        const files = attach === '' ? {} : { attach: [attach] };
        await api.change('scheduleAdd', {
          schedule: { name: typed('name'), title: typed('title'), ...when, ...files },
        });
        schedules().refresh();
      }}
    >
      <Field name="name" label="Name" placeholder="logs" required />
      <Field name="every" label="Every, or a cron line" placeholder="10m, or 0 18 * * *" required />
      <Field name="title" label="Title" placeholder="Logs of today" required />
      <Field name="attach" label="Files to attach (a path or a pattern)" placeholder="/var/log/app/*.log" />
      <p class="dim">
        A schedule that runs a command is added and run in a terminal, with{' '}
        <code>filer-client report schedule</code>.
      </p>
    </Ask>
  );
}
