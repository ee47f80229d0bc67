import { expect, test } from 'vitest';
import {
  parseSchedules,
  withoutSchedule,
  withSchedule,
} from '../../../apps/filer-client/src/reports/schedules-text.ts';

const DISK = `# For Ann.
[[schedule]]
name = "disk"
every = "10m"
command = ["df", "-h"]
`;
const LOAD = `
[[schedule]]
name = "load"
cron = "0 18 * * *"
set = { site = "roof" } # of the tower
`;

/** Names that can be used, and what is said of the others. */
function read(text: string): [string[], string[]] {
  const { schedules, mistakes } = parseSchedules(text, 'S');
  return [schedules.map(({ name }) => name), mistakes.map(({ message }) => message)];
}

test('schedules are read as they are written', () => {
  const { schedules, mistakes } = parseSchedules(
    `[[schedule]]
name = "all"
every = "week@mon@18:00"
command = ["df -h | tail -1"]
shell = true
attach = ["/var/log/*.log"]
set = { b = "2", a = "1" }
title = "T"
expect = "always"
grace = "5m"
timeout = "10m"
max-output = "1KiB"
jitter = "0s"
cwd = "/srv"
`,
    'S',
  );

  expect(mistakes).toEqual([]);
  expect(schedules).toMatchObject([
    {
      name: 'all',
      timetable: { kind: 'every', text: 'week@mon@18:00' },
      command: ['df -h | tail -1'],
      shell: true,
      attach: ['/var/log/*.log'],
      values: [
        ['b', '2'],
        ['a', '1'],
      ],
      title: 'T',
      always: true,
      graceMs: 300_000,
      timeoutMs: 600_000,
      maxOutputBytes: 1024,
      jitterMs: 0,
      cwd: '/srv',
    },
  ]);
});

test.each([
  ['name = "disk"', `S, schedule "disk": give one of every (such as 10m) and cron (such as '0 18 * * *')`],
  [
    'every = "10m"',
    'S, schedule 2: name is missing, it takes a name such as disk-space (a to z, 0 to 9 and dashes, at most 32)',
  ],
  [
    'name = "disk"\nevery = 10',
    'S, schedule "disk": every takes 10m, 6h, hour@:15, day@18:00 or week@mon@18:00, as a text in quotes',
  ],
  [
    'name = "disk"\nevery = "10x"',
    'S, schedule "disk": every takes 10m, 6h, hour@:15, day@18:00 or week@mon@18:00, not "10x"',
  ],
  [
    'name = "disk"\ncron = "0 0 31 2 *"',
    `S, schedule "disk": cron takes a cron line such as '0 18 * * *' (minute, hour, day, month, weekday), not "0 0 31 2 *"`,
  ],
  [
    'name = "disk"\nevery = "1m"\ntimout = "1m"',
    'S, schedule "disk": "timout" is not known; a schedule has name, every, cron, command, shell, attach, set, title, expect, grace, timeout, max-output, jitter, cwd',
  ],
  ['name = "disk"\nevery = "1m"\ncommand = "df"', 'S, schedule "disk": command is not a list'],
  [
    'name = "disk"\nevery = "1m"\ncommand = ["a\\u0000"]',
    'S, schedule "disk": command[0] has a NUL in it, which no program can be given',
  ],
  [
    'name = "disk"\nevery = "1m"\ncwd = "srv"',
    'S, schedule "disk": cwd takes an absolute path such as /srv/app, not "srv"',
  ],
  ['name = "disk"\nevery = "1m"\nset = { a = 1 }', 'S, schedule "disk": set.a takes a text in quotes'],
  [
    'name = "disk"\nevery = "1m"\nshell = true\ncommand = ["df", "-h"]',
    `S, schedule "disk": shell takes the command as one text such as 'df -h | tail -1'`,
  ],
  [
    'name = "disk"\nevery = "1m"\njitter = "2m"',
    'S, schedule "disk": jitter is longer than the time from one run to the next (1m): take a shorter one such as 6s',
  ],
  ['name = "load"\nevery = "1m"', 'S, schedule "load": there is one of that name above: rename or remove it'],
])('a mistake in one schedule is one sentence, and leaves the others: %s', (lines, message) => {
  expect(read(`${LOAD}\n[[schedule]]\n${lines}\n\n${DISK.replace('disk', 'other')}`)).toEqual([
    ['load', 'other'],
    [message],
  ]);
});

test('what is no TOML in one schedule leaves the others, and is named with its line', () => {
  const [names, messages] = read(
    `${DISK}${LOAD}\n[[schedule]]\nname = "bad"\nevery = 10m\n\n${LOAD.replace('load', 'last')}`,
  );

  expect(names).toEqual(['disk', 'load', 'last']);
  expect(messages).toEqual([expect.stringMatching(/^S, line 14 is not TOML: /)]);
});

test('what stands outside of schedules is a mistake, too', () => {
  expect(read(`interval = "1m"\n${DISK}`)).toEqual([
    ['disk'],
    ['S has "interval" outside of a schedule: each one begins with [[schedule]]'],
  ]);
  expect(read('[schedule]\nname = "disk"')[1]).toEqual([
    'S: write [[schedule]], with two brackets on each side',
  ]);
});

test('at most as many schedules are taken as a server takes', () => {
  const many = Array.from({ length: 102 }, (_, n) => DISK.replace('disk', `d${n}`)).join('');
  const [names, messages] = read(many);
  expect(names.length).toBe(100);
  expect(messages).toEqual(
    [100, 101].map((n) => `S, schedule "d${n}": there are 100 already, which is the limit`),
  );
});

test('adding and removing leave all else as it was written', () => {
  const added = withSchedule(DISK + LOAD, { name: 'new', every: '1h', command: ['true'] });
  expect(added.startsWith(DISK + LOAD)).toBe(true);
  expect(read(added)).toEqual([['disk', 'load', 'new'], []]);
  expect(withoutSchedule(added, 'load')).toBe(added.replace(LOAD, ''));
  expect(withoutSchedule(added, 'disk')).toBe(added.replace(`${DISK}\n`, ''));
  expect(read(withoutSchedule(added, 'new') ?? '')).toEqual([['disk', 'load'], []]);
});

test('the first schedule of a file comes with a word on what the file is', () => {
  const text = withSchedule('', { name: 'new', every: '1h' });
  expect(text).toMatch(/^# What this machine reports by itself/);
  expect(read(text)).toEqual([['new'], []]);
  expect(withoutSchedule(text, 'new')).toMatch(/^# What this machine reports by itself[^[]*$/);
});

test('a broken schedule can be removed by its name', () => {
  const text = `${DISK}\n[[schedule]]\nname = "bad"\nevery = 10m\n${LOAD}`;
  expect(read(withoutSchedule(text, 'bad') ?? '')).toEqual([['disk', 'load'], []]);
});

test('a file that is written in another way is not cut by guesses', () => {
  expect(
    withoutSchedule('schedule = [{ name = "disk", every = "1m" }, { name = "b", every = "1m" }]', 'disk'),
  ).toBeUndefined();
  const tricky = `${DISK}title = """\n[[schedule]]\nname = "load"\n"""\n${LOAD}`;
  expect(withoutSchedule(tricky, 'load')).toBeUndefined();
});
