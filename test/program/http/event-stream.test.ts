import { EventRing } from '@filer/program';
import { expect, onTestFinished, test } from 'vitest';
import { streamEvents } from '../../../packages/program/src/http/event-stream.ts';
import { TextStream } from '../../../packages/program/src/http/text-stream.ts';

type Data = { peer: { id: string }; alarm: { peer: string } };

interface Opened {
  /** Waits for the next piece that was written. */
  readonly next: () => Promise<string>;
  readonly ended: Promise<void>;
  readonly stop: () => void;
}

function open(
  ring: EventRing<Data>,
  {
    since,
    isWelcome = true,
    deltaMs = 1,
    heartbeatMs = 60_000,
  }: {
    readonly since?: string;
    readonly isWelcome?: boolean;
    readonly deltaMs?: number;
    readonly heartbeatMs?: number;
  } = {},
): Opened {
  const controller = new AbortController();
  const stream = new TextStream(controller.signal);
  const reader = stream.body.getReader();
  onTestFinished(() => controller.abort());
  const ended = streamEvents(ring, stream, since, () => Promise.resolve(isWelcome), controller.signal, {
    deltaMs,
    heartbeatMs,
  });
  ended.catch(() => undefined);
  return {
    next: async () => new TextDecoder().decode((await reader.read()).value),
    ended,
    stop: () => controller.abort(new Error('stopped, in a test')),
  };
}

const idsIn = (text: string): string[] => [...text.matchAll(/^id: (.+)$/gm)].map(([, id = '']) => id);

test('a stream says at once that it is there, and begins with reset', async () => {
  const ring = new EventRing<Data>();
  const { next } = open(ring);
  expect(await next()).toBe('retry: 1\n\n');
  expect(await next()).toMatch(/^id: \w+-0\nevent: reset\ndata: null\n\n$/);
});

test('what came since is told together, each change once, under the newest id', async () => {
  const ring = new EventRing<Data>();
  const { next } = open(ring);
  await next();
  await next();
  for (const id of ['a', 'b', 'a', 'a']) ring.publish('peer', { id });
  ring.publish('alarm', { peer: 'a' });
  const text = await next();
  expect([...text.matchAll(/^data: (.+)$/gm)].map(([, data]) => data)).toEqual([
    '{"id":"b"}',
    '{"id":"a"}',
    '{"peer":"a"}',
  ]);
  expect(idsIn(text).map((id) => id.split('-')[1])).toEqual(['2', '4', '5']);
});

test('a reader that comes again continues where it was, and has reset when it missed something', async () => {
  const ring = new EventRing<Data>({ maxEvents: 2 });
  const first = open(ring);
  await first.next();
  const [since = ''] = idsIn(await first.next());
  first.stop();
  await expect(first.ended).rejects.toBeInstanceOf(Error);
  ring.publish('peer', { id: 'a' });
  const again = open(ring, { since });
  await again.next();
  expect(await again.next()).toContain('{"id":"a"}');
  for (const id of ['b', 'c', 'd']) ring.publish('peer', { id });
  expect(await again.next()).toContain('event: reset');
  const stranger = open(ring, { since: 'nonsense' });
  await stranger.next();
  expect(await stranger.next()).toContain('event: reset');
});

test('a reader that reads nothing keeps nothing but its place', async () => {
  const ring = new EventRing<Data>({ maxEvents: 10 });
  const { next } = open(ring);
  for (let number = 0; number < 1_000; number++) {
    ring.publish('peer', { id: String(number) });
    if (number % 100 === 0) await new Promise(setImmediate);
  }
  let text = '';
  while (!idsIn(text).some((id) => id.endsWith('-1000'))) text += await next();
  expect(text).toContain('event: reset');
  expect(idsIn(text).length).toBeLessThan(100);
});

test('a quiet stream is kept open by comments, until its token is revoked or expires', async () => {
  const ring = new EventRing<Data>();
  const welcome = open(ring, { heartbeatMs: 1 });
  await welcome.next();
  await welcome.next();
  expect(await welcome.next()).toBe(': still here\n\n');
  const unwelcome = open(ring, { heartbeatMs: 1, isWelcome: false });
  const read = async (): Promise<'more'> => (await unwelcome.next(), 'more');
  const ended = unwelcome.ended.then(() => 'ended' as const);
  // How much was written before is a matter of time.
  while ((await Promise.race([ended, read()])) === 'more');
  expect(await unwelcome.ended).toBeUndefined();
});

test('a stream ends with the ring', async () => {
  const ring = new EventRing<Data>();
  const { next, ended } = open(ring);
  await next();
  await next();
  ring.end();
  expect(await ended).toBeUndefined();
});

test('a stream that no one has begun to read ends with its request', async () => {
  const controller = new AbortController();
  const stream = new TextStream(controller.signal);
  const written = streamEvents(
    new EventRing<Data>(),
    stream,
    undefined,
    () => Promise.resolve(true),
    controller.signal,
  );
  controller.abort(new Error('the reader has gone'));
  await expect(written).rejects.toThrow('the reader has gone');
});
