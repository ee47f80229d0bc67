import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { LiveView, type LiveViewOptions, type OutputStream } from '@filer/program';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Output } from '../../packages/program/src/output.ts';
import { ScreenModel } from '../support/screen.ts';

interface Peer {
  readonly name: string;
  readonly seenAt: number;
}

const LAID_OUT: LiveViewOptions<readonly Peer[]> = {
  layOut: (peers, { now }) => ({
    head: ['NAME  SEEN'],
    items: peers.map(({ name, seenAt }) => [`${name}  ${now - seenAt >= 0 ? 'ago' : 'ahead'}`]),
    foot: ['(end)'],
  }),
  keyOf: (peers) => peers.map(({ name }) => name),
};

function outputTo(stdout: OutputStream, json = false): Output {
  const stderr = new PassThrough();
  return new Output({ calledAs: 'ip-server', json, quiet: false, verbose: false, stdout, stderr });
}

/** A view on a terminal that the test holds. */
function onTerminal(rows = 6, options = LAID_OUT) {
  const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 20, rows });
  const screen = new ScreenModel(20, 40);
  let written = '';
  stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text;
    screen.write(text);
  });
  const output = outputTo(stdout);
  const stop = new AbortController();
  const view = new LiveView({ output, stdout, signal: stop.signal, env: { TERM: 'xterm' } }, options);
  onTestFinished(() => view.close());
  return { view, screen, stdout, stop, written: () => written };
}

function peers(...names: string[]): Peer[] {
  return names.map((name) => ({ name, seenAt: 0 }));
}

describe('on a terminal', () => {
  test('states are shown in the same place, and what a longer one left is gone', () => {
    const { view, screen } = onTerminal();
    view.show(peers('anna', 'bartholomew'));
    view.show(peers('bo'));

    expect(screen.lines).toEqual(['NAME  SEEN', 'bo  ago', '(end)']);
    expect({ other: screen.isOther, cursor: screen.cursorIsShown, wraps: screen.wraps }).toEqual({
      other: true,
      cursor: false,
      wraps: false,
    });
  });

  test('lines of full width keep their last character, the last line, too', () => {
    const full = ['A'.repeat(20), 'B'.repeat(20)];
    for (const rows of [2, 6]) {
      const { view, screen } = onTerminal(rows, { layOut: () => ({ items: [full] }) });
      view.show([]);
      expect(screen.lines).toEqual(full);
    }
  });

  test('a line that is too long is folded between words, and every letter is shown', () => {
    const { view, screen } = onTerminal(6, {
      layOut: () => ({ items: [[`  to bob  running: 7 of 9 MB, ${'x'.repeat(30)}`]] }),
    });
    view.show([]);

    expect(screen.lines.join('').replaceAll(' ', '')).toBe(`tobobrunning:7of9MB,${'x'.repeat(30)}`);
    for (const line of screen.lines) expect(line.length).toBeLessThanOrEqual(20);
  });

  test('of more than there is room for the first are shown, and how many more there are', () => {
    const { view, screen } = onTerminal(6);
    view.show(peers('a', 'b', 'c', 'd'));
    expect(screen.lines).toHaveLength(6);
    view.show(peers('a', 'b', 'c', 'd', 'e'));

    expect(screen.lines).toEqual(['NAME  SEEN', 'a  ago', 'b  ago', 'c  ago', '… and 2 more', '(end)']);
  });

  test('an item of several lines is shown whole or not at all', () => {
    const { view, screen } = onTerminal(5, {
      layOut: () => ({
        items: [
          ['a', ' 1'],
          ['b', ' 1'],
          ['c', ' 1'],
        ],
      }),
    });
    view.show([]);

    expect(screen.lines).toEqual(['a', ' 1', 'b', ' 1', '… and 1 more']);
  });

  test('a terminal that changes its size is filled again', () => {
    const { view, screen, stdout } = onTerminal(4);
    view.show(peers('a', 'b', 'c'));
    expect(screen.lines).toContain('… and 2 more');
    stdout.rows = 10;
    stdout.emit('resize');

    expect(screen.lines).toEqual(['NAME  SEEN', 'a  ago', 'b  ago', 'c  ago', '(end)']);
  });

  test('a terminal of one row, or one that does not know its size, is no fault', () => {
    const { view, screen, stdout } = onTerminal(1);
    view.show(peers('a', 'b'));
    expect(screen.lines).toEqual(['NAME  SEEN']);
    Object.assign(stdout, { rows: 0, columns: 0 });
    view.show(peers('a', 'b'));

    expect(screen.lines).toEqual(['NAME  SEEN', 'a  ago', 'b  ago', '(end)']);
  });

  test('what another machine said cannot leave its place', () => {
    const { view, screen } = onTerminal(6, {
      layOut: () => ({ items: [['\u001B[2Jx\r\u202E']], head: ['\u001B[31mred\u001B[39m'] }),
    });
    view.show([]);

    expect(screen.lines).toEqual(['red', '\\u{1b}[2Jx\\u{d}\\u{202'.slice(0, 19) + '}']);
  });

  test('its end gives the terminal back, with the last state on it', () => {
    const { view, screen, written } = onTerminal();
    view.show(peers('anna'));
    view.close();
    view.close();
    view.show(peers('too late'));

    expect(screen.lines).toEqual(['NAME  SEEN', 'anna  ago', '(end)']);
    expect({ other: screen.isOther, cursor: screen.cursorIsShown, wraps: screen.wraps }).toEqual({
      other: false,
      cursor: true,
      wraps: true,
    });
    expect(written().split('?1049l')).toHaveLength(2);
  });

  test('a signal to the program gives the terminal back at once', () => {
    const { view, screen, stop } = onTerminal();
    view.show(peers('anna'));
    stop.abort();

    expect({ other: screen.isOther, cursor: screen.cursorIsShown }).toEqual({ other: false, cursor: true });
    expect(process.listeners('SIGTSTP')).toEqual([]);
  });

  test("while it is suspended the terminal is the shell's, and what came meanwhile is shown when it continues", () => {
    const { view, screen, written } = onTerminal();
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
    onTestFinished(() => kill.mockRestore());
    view.show(peers('anna'));
    process.emit('SIGTSTP');
    expect(kill).toHaveBeenCalledWith(process.pid, 'SIGSTOP');
    expect(screen.isOther).toBe(false);
    const before = written();
    view.show(peers('bo'));
    expect(written()).toBe(before);
    process.emit('SIGCONT');

    expect({ other: screen.isOther, lines: screen.lines }).toEqual({
      other: true,
      lines: ['NAME  SEEN', 'bo  ago', '(end)'],
    });
  });

  test('a view that never showed anything leaves the terminal alone', () => {
    const { view, written } = onTerminal();
    view.close();

    expect(written()).toBe('');
  });
});

test.each([
  ['without a terminal', false, {}],
  ['on a terminal that cannot move back', true, { TERM: 'dumb' }],
])('%s each change is printed, and the clock alone does not count', async (_, isTTY, env) => {
  const stdout = Object.assign(new PassThrough(), { isTTY, columns: 80 });
  const output = outputTo(stdout);
  using view = new LiveView({ output, stdout, signal: new AbortController().signal, env }, LAID_OUT);
  view.show(peers('anna'));
  view.show([{ name: 'anna', seenAt: 1 }]);
  view.show(peers('bo'));
  stdout.end();

  expect(await text(stdout)).toBe('NAME  SEEN\nanna  ago\n(end)\nNAME  SEEN\nbo  ago\n(end)\n');
});

test('under --json each change is a document on a line, also on a terminal', async () => {
  const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  const output = outputTo(stdout, true);
  const context = { output, stdout, signal: new AbortController().signal, env: {} };
  using view = new LiveView(context, { ...LAID_OUT, documentOf: (all) => ({ peers: all.length }) });
  view.show(peers('anna'));
  view.show(peers('anna'));
  view.show(peers('anna', 'bo'));
  stdout.end();

  expect(await text(stdout)).toBe('{"peers":1}\n{"peers":2}\n');
});
