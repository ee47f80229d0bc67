import { expect, test } from 'vitest';
import { commands } from '../../../apps/filer-client/src/cli/commands.ts';
import { run } from '../../program/run.ts';

test.each<readonly [readonly string[], string]>([
  [['x', '--set', 'a=1'], "the time is missing: give --every such as 10m, or --cron such as '0 18 * * *'"],
  [
    ['x', '--every', '1h', '--cron', '@daily', '--set', 'a=1'],
    '--every and --cron were given: give one of them',
  ],
  [['x', '--every', '10x', '--set', 'a=1'], '--every takes 10m, 6h, hour@:15, day@18:00 or week@mon@18:00'],
  [['x', '--cron', '61 * * * *', '--set', 'a=1'], "--cron takes a cron line such as '0 18 * * *'"],
  [['x', '--every', '1h'], 'there is nothing to report: give a command after -- such as -- df -h'],
  [
    ['x', '--every', '1h', '--attach', '[a'],
    '--attach takes a pattern of files such as \'logs/*.txt\', not "[a"',
  ],
  [['x', '--every', '1h', '--set', 'a'], '--set takes KEY=VALUE such as site=roof, not "a"'],
  [['x', '--every', '1h', '--set', 'a=1', '--set', 'a=2'], '--set gives "a" twice'],
  [['x', '--every', '1h', '--set', 'a=1', '--grace', 'soon'], '--grace takes a duration'],
  [
    ['x', '--every', '1h', '--set', 'a=1', '--timeout', '2d'],
    '--timeout takes a duration from 1s to 1d such as 5m',
  ],
  [['x', '--every', '1h', '--set', 'a=1', '--max-output', '1MiB'], '--max-output takes a size up to 48KiB'],
  [
    ['x', '--every', '1h', '--set', 'a=1', '--jitter', '2h'],
    '--jitter is longer than the time from one run to the next (1h): give a shorter one such as 6m',
  ],
  [['x', '--every', '1h', '--set', 'a=1', '--expect', 'never'], '--expect takes one of running, always'],
  [['x', '--every', '1h', '--shell', '--', 'df', '-h'], '--shell takes the command as one text'],
  [['x', '--every', '1h', '--', ''], 'the command is empty: give a program after --'],
  [['X_Y', '--every', '1h', '--set', 'a=1'], '<name> takes a name such as disk-space'],
])('a wrong command line is refused with a right one: %j', async (args, words) => {
  const { exitCode, stderr } = await run(commands, ['report', 'schedule', 'add', ...args]);

  expect(stderr).toContain(words);
  expect(exitCode).toBe(2);
});
