/* What a machine will report, so that its server notices when it does not; `hello` lists it, too. */
import { FilerError } from '../errors.ts';
import type { Message } from '../header.ts';
import { MAX_SCHEDULES, MAX_SCHEDULES_BYTES } from '../limits.ts';
import { isName } from '../names.ts';
import { json } from './content.ts';
import { message } from './declaration.ts';
import { fieldsOf, integerOf, listOf, textOf } from './json.ts';
import { okMessage } from './ok.ts';
import { daemonToServer } from './route.ts';

/** When reports of a schedule are due, from the moment at which it is said, in ms. */
export interface Due {
  /** The next one that is not made yet; 0: now. */
  readonly nextInMs: number;
  /** The third one; not before the next. Without any until then it is missing. */
  readonly thirdInMs: number;
}

/** A schedule as its owner announces it. */
export interface AnnouncedSchedule extends Due {
  readonly name: string;
  /** A report that is due for longer is late. @default as the server decides */
  readonly graceMs?: number;
  /** Whether reports are expected of a machine, too, that has said goodbye. */
  readonly always: boolean;
}

/** Ten years: what is further away is as good as never, and a sum of such times stays a safe integer. */
export const MAX_DUE_MS = 3_653 * 24 * 3_600_000;

/**
 * From now on these, and no others. All is told as time from now: the server needs neither the rule of a schedule nor the
 * clock of its machine.
 */
export const schedulesMessage = message({
  type: 'schedules',
  routes: [daemonToServer],
  content: json({
    shape: '[{ name, nextInMs, thirdInMs, [graceMs], [always] }]',
    maxBytes: MAX_SCHEDULES_BYTES,
    read: (value) => ({ schedules: parseAnnouncements(value) }),
    write: ({ schedules }: { readonly schedules: readonly AnnouncedSchedule[] }) =>
      schedules.map(announcementOf),
  }),
  answers: [okMessage],
});

export function formatSchedules(schedules: readonly AnnouncedSchedule[]): Message {
  return schedulesMessage.format({ schedules });
}

/** @throws FilerError `message-malformed` */
export function parseSchedules(received: Message): AnnouncedSchedule[] {
  return schedulesMessage.parse(received).schedules;
}

/** A schedule as JSON writes it. */
export function announcementOf({ name, nextInMs, thirdInMs, graceMs, always }: AnnouncedSchedule): object {
  return {
    name,
    nextInMs,
    thirdInMs,
    ...(graceMs === undefined ? {} : { graceMs }),
    ...(always ? { always } : {}),
  };
}

/** @throws FilerError `message-malformed` */
export function parseAnnouncements(value: unknown): AnnouncedSchedule[] {
  const schedules = listOf(value, 'schedules', MAX_SCHEDULES, parseAnnouncement);
  if (new Set(schedules.map(({ name }) => name)).size < schedules.length)
    throw new FilerError('message-malformed', 'schedules has a name twice');
  return schedules;
}

function parseAnnouncement(value: unknown, what: string): AnnouncedSchedule {
  const fields = fieldsOf(value, what);
  const graceMs = fields['graceMs'];
  return {
    name: scheduleNameOf(fields['name'], `${what}.name`),
    ...checkDue(
      integerOf(fields['nextInMs'], `${what}.nextInMs`),
      integerOf(fields['thirdInMs'], `${what}.thirdInMs`),
    ),
    ...(graceMs === undefined ? {} : { graceMs: integerOf(graceMs, `${what}.graceMs`, 0, MAX_DUE_MS) }),
    always: fields['always'] === true,
  };
}

/** A schedule's name has the form of a machine's. @throws FilerError `message-malformed` */
export function scheduleNameOf(value: unknown, what: string): string {
  const name = textOf(value, what, { max: 64 });
  if (isName(name)) return name;
  throw new FilerError('message-malformed', `${what} is no name of a schedule`);
}

/** @throws FilerError `message-malformed` */
export function checkDue(nextInMs: number, thirdInMs: number): Due {
  if (nextInMs > thirdInMs || thirdInMs > MAX_DUE_MS)
    throw new FilerError(
      'message-malformed',
      `nextInMs and thirdInMs must grow and be at most ${MAX_DUE_MS} ms`,
    );
  return { nextInMs, thirdInMs };
}
