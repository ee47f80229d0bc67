import { expect, onTestFinished, test, vi } from 'vitest';
import { GroupCommit } from '@filer/program';

test('what is added while others wait is written with them, in order', async () => {
  const writes: (readonly number[])[] = [];
  const group = new GroupCommit<number>((items) => writes.push(items));
  await group.add(0);

  await Promise.all([1, 2, 3].map((item) => group.add(item)));

  expect(writes).toEqual([[0], [1, 2, 3]]);
});

test('nothing resolves before it was written, and a failure reaches each that waited', async () => {
  let fails = false;
  const written: number[] = [];
  const group = new GroupCommit<number>((items) => {
    if (fails) throw new Error('the disk is full');
    written.push(...items);
  });
  let told = false;
  const first = group.add(1).then(() => (told = true));
  expect([written, told]).toEqual([[], false]);
  group.flush();
  expect(written).toEqual([1]);
  await first;

  fails = true;
  const outcomes = Promise.allSettled([group.add(2), group.add(3)]);
  group.flush();

  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  fails = false;
  await group.add(4);
  expect(written).toEqual([1, 4]);
});

test('five hundred and more do not wait for others', async () => {
  const writes: number[] = [];
  const group = new GroupCommit<number>((items) => writes.push(items.length));
  await group.add(0);

  const added = Array.from({ length: 600 }, (_, item) => group.add(item));
  expect(writes).toEqual([1, 512]);
  await Promise.all(added);

  expect(writes).toEqual([1, 512, 88]);
});

test('after a slow write others are gathered for longer, and never for more than 200 ms', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let takesMs = 0;
  const writes: number[] = [];
  const group = new GroupCommit<number>((items) => {
    writes.push(items.length);
    vi.advanceTimersByTime(takesMs);
  });
  const add = (): void => void group.add(0);
  add();
  vi.advanceTimersByTime(1);
  takesMs = 30;
  for (const [waitsMs, thenTakesMs] of [
    [50, 1_000],
    [120, 0],
    [200, 0],
    [50, 0],
  ] as const) {
    add();
    const before = writes.length;
    vi.advanceTimersByTime(waitsMs - 1);
    expect(writes.length).toBe(before);
    vi.advanceTimersByTime(1);
    expect(writes.length).toBe(before + 1);
    takesMs = thenTakesMs;
  }
});

test('what is for the disk waits for it, and what is not resolves once it is written', async () => {
  const syncs: PromiseWithResolvers<void>[] = [];
  const toDisk = (): Promise<void> => {
    const sync = Promise.withResolvers<void>();
    syncs.push(sync);
    return sync.promise;
  };
  const written: string[] = [];
  const group = new GroupCommit<string>((items) => written.push(...items), { toDisk });
  let onDisk = false;
  const durable = group.add('durable').then(() => (onDisk = true));
  await group.addSoon('soon');
  expect([written, onDisk, syncs.length]).toEqual([['durable', 'soon'], false, 1]);
  syncs[0]?.resolve();
  await durable;

  const soon = group.addSoon('soon, too');
  group.flush();
  await soon;
  expect(syncs.length).toBe(1);

  const lost = group.add('lost');
  group.flush();
  syncs[1]?.reject(new Error('the disk failed'));
  await expect(lost).rejects.toThrow('the disk failed');
});

test('what was written before is waited for, whoever added it', async () => {
  const syncs: PromiseWithResolvers<void>[] = [];
  const written: string[] = [];
  const group = new GroupCommit<string>((items) => written.push(...items), {
    toDisk: () => {
      const sync = Promise.withResolvers<void>();
      syncs.push(sync);
      return sync.promise;
    },
  });
  const added = group.addSoon('soon');
  let onDisk = false;
  const all = group.onDisk().then(() => (onDisk = true));
  await added;
  expect([written, onDisk, syncs.length]).toEqual([['soon'], false, 1]);
  syncs[0]?.resolve();
  await all;
});
