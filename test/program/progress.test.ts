import { PassThrough } from 'node:stream';
import { openProgress, type ProgressAmounts, type ProgressDisplay } from '@filer/program';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Output } from '../../packages/program/src/output.ts';
import { abortOnSignals } from '../../packages/program/src/signals.ts';
import { widthOf } from '../../packages/program/src/terminal/text-width.ts';
import { Emulator } from '../support/emulator.ts';

let now = 0;
beforeEach(() => {
  now = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  onTestFinished(() => clock.mockRestore());
  vi.stubEnv('FORCE_COLOR', undefined);
  vi.stubEnv('NO_COLOR', '1');
  onTestFinished(() => void vi.unstubAllEnvs());
});

const GB = 1e9;

function amounts(bytesDone: number, more: Partial<ProgressAmounts> = {}): ProgressAmounts {
  return { bytesDone, bytesTotal: 4 * GB, filesDone: 0, filesTotal: 1, complete: true, ...more };
}

interface Shown {
  readonly terminal: Emulator;
  readonly progress: ProgressDisplay;
}

/** Bars in a terminal. */
async function bars(columns: number, rows = 24): Promise<Shown> {
  const terminal = new Emulator(columns, rows);
  const output = outputTo(terminal.stream);
  const progress = await openProgress({ output, env: {} });
  onTestFinished(() => progress.stop());
  return { terminal, progress };
}

function outputTo(stderr: PassThrough, json = false): Output {
  const about = { calledAs: 'filer-client', quiet: false, verbose: false } as const;
  return new Output({ ...about, json, stdout: new PassThrough(), stderr });
}

/** A transfer that runs at 12.5 MB/s, for 8 s. */
function run(progress: ProgressDisplay, name: string, more: Partial<ProgressAmounts> = {}): void {
  for (let second = 0; second <= 8; second++) {
    now += 1_000;
    const moved = second * 12_500_000;
    progress.show(name, amounts(GB + moved, more), moved);
  }
}

describe('a line of progress', () => {
  test.each([
    [120, /^anna █+░+ {2}27% {2}1\.1 GB of 4 GB {2}12\.5 MB\/s {2}ETA 3m 52s$/],
    [80, /^anna █+░+ {2}27% {2}1\.1 GB of 4 GB {2}12\.5 MB\/s {2}ETA 3m 52s$/],
    [60, /^anna █+░+ {2}27% {2}1\.1 GB of 4 GB {2}12\.5 MB\/s {2}ETA 3m 52s$/],
    [40, /^anna █+░+ {2}27% {2}12\.5 MB\/s {2}ETA 3m 52s$/],
    [32, /^anna {2}27% {2}ETA 3m 52s$/],
  ])('in %i columns has what there is room for', async (columns, expected) => {
    const { terminal, progress } = await bars(columns);
    run(progress, 'anna');
    progress.stop();
    const lines = await terminal.lines();

    expect(lines).toEqual([expect.stringMatching(expected)]);
    expect(widthOf(lines[0] ?? '')).toBeLessThan(columns);
  });

  test('tells the rate of what travels, and not of what was there already', async () => {
    const { terminal, progress } = await bars(80);
    progress.show('anna', amounts(0), 0);
    now = 1_000;
    progress.show('anna', amounts(2 * GB), 1_000_000);
    progress.stop();

    expect((await terminal.lines())[0]).toContain('50%  2 GB of 4 GB     1 MB/s');
  });

  test('is called stalled once no byte has come for 3 s, and runs again with the next one', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const { terminal, progress } = await bars(40);
    run(progress, 'anna');
    const status = async (ms: number): Promise<string | undefined> => {
      now += ms;
      vi.advanceTimersByTime(200);
      return (await terminal.lines())[0];
    };

    expect(await status(2_900)).not.toContain('stalled');
    expect(await status(9_100)).toMatch(/^anna .*27% +stalled 12 s$/);
    progress.show('anna', amounts(1.2 * GB), 120_000_000);
    expect(await status(0)).not.toContain('stalled');
  });

  test('says what it waits for', async () => {
    const { terminal, progress } = await bars(60);
    progress.expect(['anna', 'bob', 'carol', 'dan', 'eve']);
    run(progress, 'eve', { bytesTotal: GB + 100_000_000, filesDone: 1 });
    run(progress, 'dan');
    progress.mark('bob', 'asked');
    progress.mark('carol', 'failed');
    progress.stop();

    expect(
      (await terminal.lines()).map((line) =>
        line
          .replace(/[█░]+.*%/, '')
          .split(/ {2,}/)
          .at(-1),
      ),
    ).toEqual(['connecting', 'not answered', 'failed', 'ETA 3m 52s', 'done']);
  });

  test('has no colours where nothing should be coloured, and else one for each state', async () => {
    const colours = async (variable: string, value: string): Promise<string> => {
      vi.stubEnv('NO_COLOR', undefined);
      vi.stubEnv('FORCE_COLOR', undefined);
      vi.stubEnv(variable, value);
      const { terminal, progress } = await bars(80);
      progress.mark('anna', 'failed');
      progress.expect(['anna']);
      progress.stop();
      await terminal.lines();
      return terminal.raw;
    };

    expect(await colours('FORCE_COLOR', '1')).toContain('\u001B[31mfailed\u001B[39m');
    expect(await colours('NO_COLOR', '1')).not.toMatch(/\u001B\[[0-9;]*m/);
  });
});

describe('names', () => {
  const NAMES = [
    '日本語のとても長いファイル名です.txt',
    'Zoë'.normalize('NFD').repeat(9),
    'a'.repeat(60),
    '👩‍👩‍👧 x',
  ];

  test.each([40, 60, 80, 120])('of any width are shortened to fit %i columns', async (columns) => {
    const { terminal, progress } = await bars(columns);
    progress.expect(NAMES);
    for (const name of NAMES) run(progress, name);
    progress.stop();
    const lines = await terminal.lines();

    expect(lines).toHaveLength(NAMES.length);
    for (const line of lines) {
      expect(line).toMatch(/ETA 3m 52s$|stalled \d+ s$/);
      expect(widthOf(line)).toBeLessThan(columns);
    }
  });
});

describe('a terminal that changes its size', () => {
  test.each([
    [120, 45],
    [80, 40],
    [45, 120],
  ])('from %i to %i columns keeps what stands above, and shows each line once', async (before, after) => {
    const { terminal, progress } = await bars(before, 10);
    terminal.stream.write('what stood there before\n');
    progress.expect(['anna', 'bob']);
    run(progress, 'anna');
    run(progress, 'bob');
    await terminal.resize(after);
    progress.say('bob was asked');
    await terminal.resize(after);
    progress.stop();

    expect(await terminal.lines()).toEqual([
      'what stood there before',
      'bob was asked',
      expect.stringMatching(/^anna .*s$/),
      expect.stringMatching(/^bob .*s$/),
    ]);
  });
});

test('words that are said above the lines keep every letter, however long they are', async () => {
  const { terminal, progress } = await bars(40);
  progress.expect(['anna']);
  progress.say('x'.repeat(40));
  progress.say('y'.repeat(95));
  progress.stop();

  expect(await terminal.logicalLines()).toEqual([
    'x'.repeat(40),
    'y'.repeat(95),
    expect.stringMatching(/^anna .*connecting$/),
  ]);
});

test('of a hundred recipients as many are shown as there is room for, and what the others add up to', async () => {
  const names = Array.from({ length: 100 }, (_, n) => `host-${n + 1}`);
  const { terminal, progress } = await bars(60, 12);
  progress.expect(names);
  for (const name of names.slice(0, 20)) progress.show(name, amounts(4 * GB, { filesDone: 1 }), 4 * GB);
  progress.mark('host-21', 'failed');
  for (const name of names.slice(40, 45)) progress.show(name, amounts(GB), GB);
  progress.stop();
  const lines = await terminal.lines();

  expect(lines).toHaveLength(11);
  expect(lines.slice(0, 6).map((line) => line.split(' ')[0])).toEqual([...names.slice(40, 45), 'host-21']);
  expect(lines.at(-1)).toBe('… 90 more: 70 connecting, 20 done');
});

describe('without a terminal', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
  });

  function collected(): { stderr: PassThrough; told: () => string[] } {
    const stderr = new PassThrough();
    const write = vi.spyOn(stderr, 'write');
    return { stderr, told: () => write.mock.calls.map(([text]) => String(text).trimEnd()) };
  }

  function toldAfter(ms: number): void {
    now += ms;
    vi.advanceTimersByTime(ms);
  }

  test('a line every 10 s tells how far it is, also while nothing comes', async () => {
    const { stderr, told } = collected();
    const progress = await openProgress({ output: outputTo(stderr), env: {} });
    onTestFinished(() => progress.stop());
    progress.expect(['anna', 'bob']);
    toldAfter(1_000);
    run(progress, 'anna');
    toldAfter(9_500);
    toldAfter(9_500);
    progress.stop();
    toldAfter(60_000);

    expect(told()).toEqual([
      'anna: 27%  1.1 GB of 4 GB  stalled 9 s',
      'bob: connecting',
      'anna: 27%  1.1 GB of 4 GB  stalled 19 s',
      'bob: connecting',
    ]);
  });

  test('many are told in one line', async () => {
    const { stderr, told } = collected();
    const progress = await openProgress({ output: outputTo(stderr), env: {} }, 'lines');
    onTestFinished(() => progress.stop());
    progress.expect(Array.from({ length: 100 }, (_, n) => `host-${n}`));
    progress.show('host-1', amounts(GB), GB);
    toldAfter(10_000);

    expect(told()).toEqual([
      expect.stringMatching(/^100 in all \(1 running, 99 connecting\): 1 GB of 4 GB\+/),
    ]);
  });

  test.each([
    ['bar', false, ['a: connecting']],
    ['lines', false, ['a: connecting']],
    ['none', false, []],
    [undefined, true, []],
  ] as const)('--progress %s', async (mode, json, expected) => {
    const { stderr, told } = collected();
    const progress = await openProgress({ output: outputTo(stderr, json), env: {} }, mode);
    onTestFinished(() => progress.stop());
    progress.expect(['a']);
    toldAfter(10_000);

    expect(told()).toEqual(expected);
  });
});

/** Whether the cursor is shown and lines are folded, by what was written last. */
function modes({ raw }: Emulator): object {
  const isOn = (mode: string): boolean => raw.lastIndexOf(`?${mode}h`) >= raw.lastIndexOf(`?${mode}l`);
  return { cursor: isOn('25'), wraps: isOn('7') };
}

const AS_IT_WAS = { cursor: true, wraps: true };
const SET_UP = { cursor: false, wraps: false };

test("while a send is suspended the terminal is the shell's, and its bars are shown when it continues", async () => {
  const { terminal, progress } = await bars(80);
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  onTestFinished(() => kill.mockRestore());
  const shown = async (bytes: number): Promise<object> => {
    progress.show('bob', amounts(bytes), bytes);
    await terminal.lines();
    return modes(terminal);
  };
  expect(await shown(1)).toEqual(SET_UP);

  process.emit('SIGTSTP');
  expect(kill).toHaveBeenCalledWith(process.pid, 'SIGSTOP');
  expect(await shown(2)).toEqual(AS_IT_WAS);

  process.emit('SIGCONT');
  expect(await shown(5)).toEqual(SET_UP);
  process.emit('SIGTSTP');
  process.emit('SIGCONT');
  progress.stop();
  expect(await shown(6)).toEqual(AS_IT_WAS);
  for (const event of ['SIGTSTP', 'SIGCONT', 'exit'])
    expect(
      process
        .listeners(event as 'SIGTSTP')
        .map(String)
        .join(),
    ).not.toContain('dispose');
});

test('a second signal that ends a send at once gives the terminal back', async () => {
  const { terminal, progress } = await bars(80);
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  onTestFinished(() => kill.mockRestore());
  onTestFinished(abortOnSignals(new AbortController()));
  process.emit('SIGINT', 'SIGINT');
  progress.show('bob', amounts(1), 1);
  now = 5_000;
  process.emit('SIGINT', 'SIGINT');

  expect(kill).toHaveBeenCalledWith(process.pid, 'SIGINT');
  await terminal.lines();
  expect(modes(terminal)).toEqual(AS_IT_WAS);
});
