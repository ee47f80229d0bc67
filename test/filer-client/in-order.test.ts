import { expect, test } from 'vitest';
import { inOrder } from '../../apps/filer-client/src/daemon/operations/in-order.ts';

interface Event {
  readonly type: string;
  readonly n: number;
}

test('what comes while a listener is busy is handed on together, in order', async () => {
  const messages: number[] = [];
  const heard: number[] = [];
  const tell = inOrder<Event>(async (items) => {
    messages.push(items.length);
    await new Promise((resolve) => setImmediate(resolve));
    heard.push(...items.map(({ n }) => n));
  });

  for (let n = 0; n < 1_000; n++) tell.emit({ type: 'receipt', n });
  await tell.done();
  tell.emit({ type: 'receipt', n: 1_000 });
  await tell.done();

  expect(heard).toEqual(Array.from({ length: 1_001 }, (_, n) => n));
  expect(messages).toEqual([1, 200, 200, 200, 200, 199, 1]);
});

test('a listener that is slow misses progress and nothing else', async () => {
  const heard: Event[] = [];
  const gate = Promise.withResolvers<void>();
  const tell = inOrder<Event>(async (items) => {
    await gate.promise;
    heard.push(...items);
  });

  for (let n = 0; n < 2_000; n++) tell.emit({ type: 'receipt', n });
  for (let n = 0; n < 2_000; n++) tell.emit({ type: 'progress', n });
  gate.resolve();
  await tell.done();

  expect(heard.map(({ type }) => type)).toEqual(Array.from({ length: 2_000 }, () => 'receipt'));
});

test('a listener that is gone is told nothing more, and holds nothing up', async () => {
  let asked = 0;
  const tell = inOrder<Event>(() => {
    asked++;
    return Promise.reject(new Error('it is gone'));
  });

  for (let n = 0; n < 1_000; n++) tell.emit({ type: 'receipt', n });
  await tell.done();

  expect(asked).toBe(1);
});

test('who causes more events than are read is told to wait, until all are handed on', async () => {
  const read = Promise.withResolvers<void>();
  const { emit, caughtUp, done } = inOrder<{ type: string }>(() => read.promise);
  for (let n = 0; n < 10_000; n++) emit({ type: 'file' });
  expect(caughtUp()).toBeUndefined();
  for (let n = 0; n < 1_000; n++) emit({ type: 'file' });
  const waiting = caughtUp();
  expect(waiting).toBeInstanceOf(Promise);
  read.resolve();
  await waiting;
  expect(caughtUp()).toBeUndefined();
  await done();
});
