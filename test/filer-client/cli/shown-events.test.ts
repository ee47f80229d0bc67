import { afterEach, expect, test, vi } from 'vitest';
import { showEvents } from '../../../apps/filer-client/src/cli/network/start.ts';
import type { ClientEvent } from '../../../apps/filer-client/src/api/contract/events.ts';

afterEach(() => {
  vi.useRealTimers();
});

function received(fromId: string, n: number): ClientEvent {
  const file = { id: String(n), path: `/inbox/${n}`, name: String(n), size: 1, digest: '', note: '' };
  return { id: `x-${n}`, type: 'received', data: { from: fromId.toLowerCase(), fromId, ...file } };
}

test('files without end of one machine are counted on standard error, all of them data, and those of others shown', () => {
  vi.useFakeTimers();
  const [data, words] = [[] as unknown[], [] as string[]];
  const show = showEvents({ json: (value) => void data.push(value), words: (line) => void words.push(line) });

  for (let n = 0; n < 5_000; n++) show(received('EVE', n));
  show(received('BOB', 1));

  expect(data).toHaveLength(5_001);
  expect(words.filter((line) => line.includes('from eve')).length).toBeLessThanOrEqual(200);
  expect(words.at(-1)).toContain('from bob');
  const written = words.length;
  vi.advanceTimersByTime(60_000);
  expect(words.at(-1)).toContain(`${5_001 - written} more`);
  expect(words.at(-1)).toContain('filer-client inbox');
});

test('a long text is shown by its beginning, with what shows all of it', () => {
  const words: string[] = [];
  const show = showEvents({ json: () => undefined, words: (line) => void words.push(line) });
  const who = { from: 'eve', fromId: 'EVE', fromServer: false, to: 'bob', time: '' };

  show({ id: 'x-1', type: 'message', data: { id: 'k3q9', text: 'x'.repeat(16_384), ...who } });

  expect(words[0]?.length).toBeLessThan(1_200);
  expect(words[0]).toContain('filer-client messages k3q9');
});
