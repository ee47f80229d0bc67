import { isAbsolute, join, resolve } from 'node:path';
import { FilerError } from '@filer/protocol';
import {
  ANY_TEXT,
  CRON,
  DURATION,
  EVERY,
  flag,
  formatDuration,
  list,
  optional,
  required,
  userWorkFolder,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { shortestDistanceMs } from '../../reports/due.ts';
import { whenWords } from './schedule-messages.ts';
import { EXPECT, GLOB, GRACE, MAX_OUTPUT, PAIR, SCHEDULE_NAME, TIMEOUT } from '../../schedule-kinds.ts';
import { FOLDER } from '../arguments.ts';

export const args = {
  name: required(SCHEDULE_NAME, 'name of the schedule; its reports have this name'),
  every: optional(EVERY, 'how often: 10m, hour@:15, day@18:00, week@mon@18:00'),
  cron: optional(CRON, "when, as a cron line: '0 18 * * *'"),
  attach: list(GLOB, 'files to attach, matched at each run; quote the pattern'),
  set: list(PAIR, 'KEY=VALUE to report each time'),
  title: optional(ANY_TEXT, 'a title of one line'),
  expect: optional(
    EXPECT,
    'always: a missing report is noticed also when this machine has stopped in order (default: running)',
  ),
  graceMs: optional(
    GRACE,
    'how late a report may come (default: 1m, or 10 % of the interval if that is more, plus the time-out)',
  ),
  timeoutMs: optional(TIMEOUT, 'how long the command may take (default: 1m)'),
  maxOutputBytes: optional(MAX_OUTPUT, 'how much of the end of its output is reported (default: 16KiB)'),
  shell: flag('the command is one text for /bin/sh -c'),
  jitterMs: optional(
    DURATION,
    'the time over which machines with the same schedule are spread (default: 10 % of the interval, at most 10s)',
  ),
  cwd: optional(FOLDER, 'where the command runs (default: the home of this user)'),
  replace: flag('replace the schedule that has this name'),
  command: list(
    { ...ANY_TEXT, completes: 'file' },
    'a program and its arguments, after --; its output is reported',
  ),
};

export const examples = [
  'report schedule add disk --every 10m -- df -h',
  "report schedule add backup --cron '0 18 * * 1-5' --timeout 30m --expect always -- /usr/local/bin/backup",
  "report schedule add logs --every day@06:00 --attach '/var/log/app/*.log'",
  "report schedule add temp --every 1h --shell -- 'sensors | grep Core'",
];

type ScheduleAddArguments = ArgumentValues<typeof args>;

export async function run(args: ScheduleAddArguments, context: Context): Promise<void> {
  const { output } = context;
  const { daemon, ...line } = await call(context, contract.scheduleAdd, {
    schedule: fieldsOf(args),
    replace: args.replace,
  });
  output.json(line);
  output.line(
    `${line.name} reports ${line.every === null ? `at ${JSON.stringify(line.cron)}` : `every ${line.every}`}, next ${whenWords(line.nextAt)}`,
  );
  if (args.command.length > 0)
    output.words(
      `The command runs in ${line.cwd ?? userWorkFolder()} as this user, without the variables of this shell.`,
    );
  if (!daemon) output.words('The schedule does not run yet: it starts with `filer-client start` here.');
}

/** As `schedules.toml` has them. What was typed is checked already; what does not go together is checked here. */
function fieldsOf(args: ScheduleAddArguments): Record<string, unknown> {
  const { every, cron, shell, command, set } = args;
  const names = set.map(([key]) => key);
  const twice = names.find((key, index) => names.indexOf(key) !== index);
  if (every !== undefined && cron !== undefined)
    throw new FilerError('usage', '--every and --cron were given: give one of them, such as --every 10m');
  if (every === undefined && cron === undefined)
    throw new FilerError(
      'usage',
      "the time is missing: give --every such as 10m, or --cron such as '0 18 * * *'",
    );
  const timetable = every ?? cron;
  const distanceMs = timetable === undefined ? 0 : shortestDistanceMs(timetable);
  if (args.jitterMs !== undefined && args.jitterMs > distanceMs)
    throw new FilerError(
      'usage',
      `--jitter is longer than the time from one run to the next (${formatDuration(distanceMs)}): give a shorter one such as ${formatDuration(Math.floor(distanceMs / 10))}`,
    );
  if (twice !== undefined)
    throw new FilerError('usage', `--set gives ${JSON.stringify(twice)} twice, give it once`);
  if (shell && command.length !== 1)
    throw new FilerError('usage', "--shell takes the command as one text: --shell -- 'df -h | tail -1'");
  if (command[0] === '')
    throw new FilerError('usage', 'the command is empty: give a program after -- such as -- df -h');
  if (command.length === 0 && set.length === 0 && args.attach.length === 0 && args.title === undefined)
    throw new FilerError(
      'usage',
      'there is nothing to report: give a command after -- such as -- df -h, or --attach GLOB, or --set KEY=VALUE',
    );
  const cwd = args.cwd === undefined ? undefined : resolve(args.cwd);
  return {
    name: args.name,
    ...(every === undefined ? { cron: cron?.text } : { every: every.text }),
    command: shell ? command : withWholePath(command),
    shell,
    attach: args.attach.map((pattern) => (cwd === undefined ? fromHere(pattern) : pattern)),
    set: Object.fromEntries(set),
    title: args.title,
    expect: args.expect,
    grace: written(args.graceMs, DURATION_UNITS),
    timeout: written(args.timeoutMs, DURATION_UNITS),
    'max-output': written(args.maxOutputBytes, SIZE_UNITS),
    jitter: written(args.jitterMs, DURATION_UNITS),
    cwd,
  };
}

/** `./check` is the one that is here, wherever it runs. */
function withWholePath([program, ...rest]: readonly string[]): string[] {
  if (program === undefined) return [];
  return [program.includes('/') ? resolve(program) : program, ...rest];
}

/** A pattern below this folder, whose own name is no pattern. Node's globs know no backslash. */
function fromHere(pattern: string): string {
  if (isAbsolute(pattern)) return pattern;
  return join(resolve('.').replaceAll(/[*?[{(]/g, '[$&]'), pattern);
}

const DURATION_UNITS: Units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
];

const SIZE_UNITS: Units = [
  ['KiB', 1024],
  ['B', 1],
];

type Units = readonly (readonly [string, number])[];

/** As a person would write it in the file: `5m`. */
function written(value: number | undefined, units: Units): string | undefined {
  if (value === undefined) return undefined;
  const [unit, size] = units.find(([, each]) => value > 0 && value % each === 0) ?? units.at(-1) ?? ['', 1];
  return `${value / size}${unit}`;
}
