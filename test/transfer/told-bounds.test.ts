import { expect, test } from 'vitest';
import { twoEnds } from './two-ends.ts';
import { withReceiver } from './by-hand.ts';

const entry = { kind: 'file', size: 0, mtimeNs: '0', mode: 0o644 };
const offer = { type: 'offer', id: 'o', job: 'job', complete: '1', files: '1', bytes: '0' };

test('a transfer ends at the bound of what it tells of, whatever its outcome', async () => {
  const ends = await twoEnds();
  for (const told of [{ path: '../x' }, { path: 'a', kind: 'dir' }, { path: 'b', size: -1 }, { path: 'c' }]) {
    const { hand, outcome } = await withReceiver(ends, { policy: { maxEntries: 2 } });
    await hand.say(offer, { names: ['a'], note: '' });
    await hand.hear('answer');
    const all = [
      { ...entry, ...told },
      { ...entry, ...told },
    ];
    await hand.say({ type: 'entries', id: 'e', first: '0' }, all);
    await hand.hear('entries-answer');
    await hand.say({ type: 'unsent', code: 'refused', message: 'x' }, { path: 'c' });
    const last = await hand.hear('error');
    expect(last?.header).toMatchObject({ code: 'too-large' });
    expect((await outcome).error).toMatchObject({ code: 'too-large' });
  }
});

test.each(['../../etc/passwd', '/etc/passwd', '..', '.', '', 'a/../../b', 'nul\0'])(
  'a result has the name %j as one component that leads nowhere',
  async (path) => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends);
    await hand.say(offer, { names: ['a'], note: '' });
    await hand.hear('answer');
    await hand.say({ type: 'entries', id: 'e', first: '0', last: '1' }, [{ ...entry, path }]);
    await hand.hear('entries-answer');
    await hand.say({ type: 'unsent', code: 'refused', message: 'words' }, { path });
    await hand.say({ type: 'done' });
    const { files } = await outcome;
    expect(files).toHaveLength(2);
    for (const { name, status } of files) {
      expect(status).toBe('failed');
      expect(name).toMatch(/^%[^/\0]*$/);
    }
    expect(files.map(({ failedBy }) => failedBy)).toEqual(['here', 'peer']);
    expect(files[1]?.message).toMatch(/ says: "words"$/);
  },
);

test('a receiver takes nothing more until who is told about it has caught up', async () => {
  const ends = await twoEnds();
  const read = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const told: string[] = [];
  const { hand, outcome } = await withReceiver(ends, {
    on: (event) => void (event.type === 'file' && told.push(event.result.name)),
    caughtUp: () => {
      asked.resolve();
      return read.promise;
    },
  });
  await hand.say(offer, { names: ['a'], note: '' });
  await hand.hear('answer');
  await hand.say({ type: 'entries', id: 'e', first: '0' }, [{ ...entry, path: '../a' }]);
  await hand.hear('entries-answer');
  await hand.say({ type: 'entries', id: 'f', first: '1', last: '1' }, [{ ...entry, path: '../b' }]);
  await asked.promise;
  expect(told).toHaveLength(1);
  read.resolve();
  await hand.hear('entries-answer');
  await hand.say({ type: 'done' });
  expect((await outcome).filesFailed).toBe(2);
});
