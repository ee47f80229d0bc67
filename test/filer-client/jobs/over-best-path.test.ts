import { FilerError, type Messenger } from '@filer/protocol';
import { expect, test } from 'vitest';
import {
  movedOn,
  overBestPath,
  type TransferConnection,
} from '../../../apps/filer-client/src/jobs/over-best-path.ts';

interface Fake extends TransferConnection<Fake> {
  readonly name: string;
  readonly ends: FilerError[];
  readonly over: Promise<void>;
}

function connection(name: string, better?: Promise<Fake | undefined>): Fake {
  const ends: FilerError[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (reason = new FilerError('connection-closed', 'closed')): Promise<void> => {
    ends.push(reason);
    resolve();
    return Promise.resolve();
  };
  const messenger = { reject: (reason: FilerError) => void end(reason), close: () => end() };
  // A messenger of its own would need a socket on each side.
  return { name, ends, over: promise, messenger: messenger as unknown as Messenger, better };
}

test('the rest goes over a better path, and the other side is told that it does', async () => {
  const used: string[] = [];
  const second = connection('second');
  const first = connection('first', Promise.resolve(second));
  const error = await overBestPath(first, async (current) => {
    used.push(current.name);
    if (current === second) return undefined;
    await current.over;
    return current.ends[0];
  });

  expect(error).toBeUndefined();
  expect(used).toEqual(['first', 'second']);
  const lastWord = { type: 'error', code: first.ends[0]?.code ?? '' };
  expect(movedOn(new FilerError('connection-closed', 'cannot write'), { lastWord })).toBe(true);
  expect(movedOn(new FilerError('no-space', 'the disk is full'), { lastWord })).toBe(false);
  expect(movedOn(new FilerError('connection-closed', 'lost'), { lastWord: undefined })).toBe(false);
  expect(second.ends).toHaveLength(1);
});

test('a better connection that comes too late is closed', async () => {
  const better = Promise.withResolvers<Fake>();
  const late = connection('late');
  const reason = new FilerError('refused', 'no');
  expect(await overBestPath(connection('first', better.promise), () => Promise.resolve(reason))).toBe(reason);
  better.resolve(late);
  await late.over;
  expect(late.ends).toHaveLength(1);
});
