import { expect, test } from 'vitest';
import { EventRing } from '@filer/program';

interface Data extends Record<string, unknown> {
  peer: { id: string };
  report: { count: number };
}

type Subscribed = Parameters<EventRing<Data>['subscribe']>[0];

async function next(events: AsyncIterator<unknown, void>): Promise<unknown> {
  return (await events.next()).value;
}

/** What comes, up to the first `reset` or so many events, without their ids. */
async function told(ring: EventRing<Data>, count: number, options: Subscribed = {}): Promise<unknown[]> {
  const events = ring.subscribe(options);
  const all: unknown[] = [];
  while (all.length < count) {
    const event = await next(events);
    if (event === undefined) break;
    const { type, data } = event as { type: string; data: unknown };
    all.push(type === 'reset' ? type : data);
  }
  await events.return();
  return all;
}

async function idsOf(ring: EventRing<Data>, since: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of ring.subscribe({ since })) {
    ids.push(id);
    if (ids.length === count) break;
  }
  return ids;
}

test('a reader without a position begins with a reset, and then gets what is published, in order', async () => {
  const ring = new EventRing<Data>();
  ring.publish('report', { count: 1 });
  const events = ring.subscribe();
  expect(await next(events)).toMatchObject({ type: 'reset' });
  const waiting = next(events);
  ring.publish('report', { count: 2 });
  ring.publish('peer', { id: 'a' });

  expect(await waiting).toMatchObject({ type: 'report', data: { count: 2 } });
  expect(await next(events)).toMatchObject({ type: 'peer', data: { id: 'a' } });
});

test('the id of an event continues behind it', async () => {
  const ring = new EventRing<Data>();
  const events = ring.subscribe();
  const reset = (await events.next()).value;
  for (const count of [1, 2, 3]) ring.publish('report', { count });
  const [first = '', second = ''] = await idsOf(ring, reset?.id ?? '', 2);

  expect(await told(ring, 2, { since: first })).toEqual([{ count: 2 }, { count: 3 }]);
  expect(await told(ring, 1, { since: second })).toEqual([{ count: 3 }]);
});

test('only the types that are asked for come, and a reset in any case', async () => {
  const ring = new EventRing<Data>();
  const events = ring.subscribe({ types: ['peer'] });
  expect(await next(events)).toMatchObject({ type: 'reset' });
  ring.publish('report', { count: 1 });
  ring.publish('peer', { id: 'a' });

  expect(await next(events)).toMatchObject({ type: 'peer' });
});

test.each(['', 'x', 'abc-1', '-', '-1', '0-0', '99'])('the unknown position %j is a reset', async (since) => {
  const ring = new EventRing<Data>();
  ring.publish('report', { count: 1 });

  expect(await told(ring, 1, { since })).toEqual(['reset']);
});

test('the position of another start, or one that is yet to come, is a reset', async () => {
  const [before, ring] = [new EventRing<Data>(), new EventRing<Data>()];
  for (const each of [before, ring]) each.publish('report', { count: 1 });
  const other = (await before.subscribe().next()).value;
  const own = (await ring.subscribe().next()).value;

  expect(await told(ring, 1, { since: other?.id })).toEqual(['reset']);
  expect(await told(ring, 1, { since: own?.id.replace(/\d+$/, '2') })).toEqual(['reset']);
});

test.each([
  ['events', { maxEvents: 3 }],
  ['bytes', { maxBytes: 250 }],
])('a reader that fell behind the bound in %s gets a reset, and what follows', async (_bound, bounds) => {
  const ring = new EventRing<Data>(bounds);
  const slow = ring.subscribe();
  await slow.next();
  for (let count = 1; count <= 10; count++) ring.publish('report', { count });
  expect(await next(slow)).toMatchObject({ type: 'reset' });
  ring.publish('report', { count: 11 });

  expect(await next(slow)).toMatchObject({ data: { count: 11 } });
});

test('a slow reader holds up neither who publishes nor the other readers', async () => {
  const ring = new EventRing<Data>({ maxEvents: 3 });
  const [slow, quick] = [ring.subscribe(), ring.subscribe()];
  await Promise.all([slow.next(), quick.next()]);
  for (let count = 1; count <= 100; count++) {
    ring.publish('report', { count });
    expect(await next(quick)).toMatchObject({ data: { count } });
  }
  expect(await next(slow)).toMatchObject({ type: 'reset' });
});

test('an event above the bound in bytes is a reset for all readers, and holds no memory', async () => {
  const ring = new EventRing<Data>({ maxBytes: 100 });
  const events = ring.subscribe();
  await events.next();
  ring.publish('peer', { id: 'x'.repeat(1_000) });

  expect(await next(events)).toMatchObject({ type: 'reset' });
});

test('an aborted signal ends a reader that waits, with its reason, and one that begins', async () => {
  const ring = new EventRing<Data>();
  const stop = new AbortController();
  const events = ring.subscribe({ signal: stop.signal });
  await events.next();
  const waiting = events.next();
  stop.abort(new Error('gone'));

  await expect(waiting).rejects.toThrow('gone');
  await expect(ring.subscribe({ signal: stop.signal }).next()).rejects.toThrow('gone');
});

test('the end of a ring ends its readers, after what was published before', async () => {
  const ring = new EventRing<Data>();
  const events = ring.subscribe();
  await events.next();
  ring.publish('report', { count: 1 });
  ring.end();

  expect(await next(events)).toMatchObject({ data: { count: 1 } });
  expect(await events.next()).toEqual({ done: true, value: undefined });
});

test('events that are handed out together stay within 64 KiB, and none is left out', async () => {
  const ring = new EventRing<Data>();
  const batches = ring.batches();
  await batches.next();
  for (let count = 0; count < 50; count++) ring.publish('peer', { id: `${count}${'ü'.repeat(4_000)}` });
  const sizes: number[] = [];
  let events = 0;
  while (events < 50) {
    const { value } = await batches.next();
    if (value === undefined) break;
    sizes.push(Buffer.byteLength(JSON.stringify(value)));
    events += value.length;
  }
  expect(events).toBe(50);
  expect(Math.max(...sizes)).toBeLessThan(66 * 1024);
  expect(sizes.length).toBeLessThan(10);
});

test('what was published after an event is told at once, as long as all of it is kept', () => {
  const ring = new EventRing<Data>({ maxEvents: 2 });
  const { last: first, events: none } = ring.after(undefined);
  expect(none).toBeUndefined();
  ring.publish('peer', { id: 'a' });
  ring.publish('peer', { id: 'b' });
  const { last, events } = ring.after(first);
  expect(events?.map(({ data }) => data)).toEqual([{ id: 'a' }, { id: 'b' }]);
  expect(ring.after(last)).toEqual({ last, events: [] });
  ring.publish('peer', { id: 'c' });
  expect(ring.after(first).events).toBeUndefined();
  expect(new EventRing<Data>().after(last).events).toBeUndefined();
});
