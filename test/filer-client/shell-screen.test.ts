import { PassThrough } from 'node:stream';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { HeldTerminal, openProgress, type Context } from '@filer/program';
import { Screen } from '../../apps/filer-client/src/cli/shell/screen.ts';
import { Output } from '../../packages/program/src/output.ts';
import { Emulator } from '../support/emulator.ts';

/** A shell's screen in a terminal, into which a person types. */
function shell(columns = 40) {
  const terminal = new Emulator(columns, 20);
  const keys = Object.assign(new PassThrough(), { isTTY: true });
  const about = { calledAs: 'filer', json: false, quiet: false, verbose: false } as const;
  const output = new Output({ ...about, stdout: terminal.stream, stderr: terminal.stream });
  const context: Pick<Context, 'stdin' | 'stdout' | 'output'> = {
    stdin: keys,
    stdout: terminal.stream,
    output,
  };
  const history = join(tmpdir(), `filer-no-history-${process.pid}`, 'none');
  const screen = new Screen(context, history, 'anna> ', () => Promise.resolve([[], '']));
  onTestFinished(() => screen.close());
  return { screen, terminal, keys, output };
}

/** Runs `work` as a command of the shell, and resolves with what the terminal shows at its end. */
async function during(work: (made: ReturnType<typeof shell>) => Promise<void>): Promise<string[]> {
  const made = shell();
  await made.screen.lend(() => work(made));
  return await made.terminal.lines();
}

test('what arrives while bars are drawn stands above them at once, and no bar is left behind', async () => {
  const shown = await during(async ({ screen, terminal, output }) => {
    const progress = await openProgress({ output, env: {} });
    progress.show('bob', { bytesDone: 1, bytesTotal: 4, filesDone: 0, filesTotal: 1, complete: true }, 1);
    screen.tell('* message from bob: hello');
    expect((await terminal.lines())[0]).toBe('* message from bob: hello');
    progress.stop();
  });
  expect(shown[0]).toBe('* message from bob: hello');
  expect(shown.filter((line) => line.startsWith('bob '))).toHaveLength(1);
  expect(shown).toHaveLength(2);
});

test('what arrives between the lines of a command is shown at once', async () => {
  const shown = await during(async ({ screen, terminal, output }) => {
    output.line('first');
    screen.tell('* bob is online');
    expect(await terminal.lines()).toEqual(['first', '* bob is online']);
    output.line('second');
  });
  expect(shown).toEqual(['first', '* bob is online', 'second']);
});

test('what arrives while a question is open stands above it, and what was typed stays', async () => {
  let answered = '';
  const shown = await during(async ({ screen, terminal, keys }) => {
    const answer = screen.ask('Leave the network? [y/N] ', new AbortController().signal);
    keys.write('ye');
    await terminal.lines();
    screen.tell('* bob is online');
    expect(await terminal.lines()).toEqual(['* bob is online', 'Leave the network? [y/N] ye']);
    keys.write('s\r');
    answered = await answer;
  });
  expect(answered).toBe('yes');
  expect(shown.slice(0, 2)).toEqual(['* bob is online', 'Leave the network? [y/N] yes']);
});

test('what arrives while a command draws over all of the terminal is shown after it', async () => {
  const shown = await during(async ({ screen, terminal }) => {
    using _drawn = new HeldTerminal({ take: () => undefined, giveBack: () => undefined });
    screen.tell('* bob is online');
    expect(await terminal.lines()).toEqual([]);
  });
  expect(shown).toEqual(['* bob is online']);
});

test('what arrives while a command writes bytes that are no lines is shown after it', async () => {
  const shown = await during(async ({ screen, terminal }) => {
    screen.lendRaw();
    terminal.stream.write('half a line');
    screen.tell('* bob is online');
    expect(await terminal.lines()).toEqual(['half a line']);
    terminal.stream.write('\n');
  });
  expect(shown).toEqual(['half a line', '* bob is online']);
});
