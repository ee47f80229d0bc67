import { describe, expect, test } from 'vitest';
import { needs } from '../support/needs.ts';
import { inTerminal, start, type Example } from './example.ts';

/** Two who talk; the first listens. */
async function chat(open = start): Promise<readonly [Example, Example]> {
  const listening = open('chat', 'listen');
  const [, port = ''] = await listening.said(/listening on 127\.0\.0\.1:(\d+)/);
  const connecting = open('chat', 'connect', port);
  await Promise.all([listening.said(/talking with/), connecting.said(/talking with/)]);
  return [listening, connecting];
}

const SIDES = [
  ['the listener', 0],
  ['the dialler', 1],
] as const;

describe.each(SIDES)('%s leaves', (_, index) => {
  test.each([
    ['with Ctrl-D', (leaver: Example) => leaver.endInput()],
    ['with exit', (leaver: Example) => leaver.type('exit\n')],
  ])('%s, and both end without an error', async (_how, leave) => {
    const pair = await chat();
    const [leaver, other] = [pair[index], pair[1 - index] ?? pair[0]];
    other.type('before\n');
    await leaver.said(/^them: before$/m);
    leave(leaver);
    expect(await Promise.all([leaver.ended, other.ended])).toEqual([0, 0]);
    expect(leaver.stdout).toMatch(/you left\n$/);
    expect(other.stdout).toMatch(/the other side left\n$/);
    expect(leaver.stderr + other.stderr).toBe('');
  });

  test('by being killed, and the other ends without an error', async () => {
    const pair = await chat();
    const [leaver, other] = [pair[index], pair[1 - index] ?? pair[0]];
    leaver.child.kill('SIGKILL');
    expect(await leaver.ended).toBe('SIGKILL');
    expect(await other.ended).toBe(0);
    expect(other.stdout).toMatch(/the other side (left|is gone)/);
    expect(other.stderr).toBe('');
  });
});

test('both type at any time, and both hear all in order', async () => {
  const [one, two] = await chat();
  for (let index = 0; index < 20; index++) {
    one.type(`a${index}\n`);
    two.type(`b${index}\nb${index}.5\n`);
  }
  await Promise.all([one.said(/^them: b19\.5$/m), two.said(/^them: a19$/m)]);
  one.type('exit\n');
  expect(await Promise.all([one.ended, two.ended])).toEqual([0, 0]);
  expect([...two.stdout.matchAll(/^them: (.*)$/gm)].map(([, text]) => text)).toEqual(
    Array.from({ length: 20 }, (_, index) => `a${index}`),
  );
  expect([...one.stdout.matchAll(/^them: /gm)]).toHaveLength(40);
});

test('one who waits for somebody may leave before anybody came', async () => {
  const alone = start('chat', 'listen');
  await alone.said(/listening/);
  alone.type('exit\n');
  expect(await alone.ended).toBe(0);
  expect(alone.stderr).toBe('');
});

test('what the other side sends controls no terminal', async () => {
  const [one, two] = await chat();
  one.type('\u001b[2Jgone\n');
  await two.said(/^them: \?\[2Jgone$/m);
  one.type('exit\n');
  expect(await Promise.all([one.ended, two.ended])).toEqual([0, 0]);
});

describe.skipIf(needs('python3'))('in a terminal', () => {
  test.each([
    ['Ctrl-D', '\u0004'],
    ['Ctrl-C', '\u0003'],
    ['exit', 'exit\r'],
  ])('%s leaves, and what arrives does not break the line being typed', async (_, keys) => {
    const [one, two] = await chat(inTerminal);
    two.type('half a li');
    await two.said(/half a li/);
    one.type('hello\r');
    await two.said(/them: hello/);
    // Cleared, told, and typed again below.
    await two.said(/them: hello\r\n[^\n]*half a li/);
    two.type('ne\r');
    await one.said(/them: half a line\r/);
    one.type(keys);
    expect(await Promise.all([one.ended, two.ended])).toEqual([0, 0]);
    expect(one.stdout).toContain('you left');
    expect(two.stdout).toContain('the other side left');
  });
});
