import { expect, test } from 'vitest';
import {
  DaemonClient,
  EventRing,
  eventsMethod,
  implement,
  refreshOn,
  refreshOnEvents,
  tellEvents,
  transportHere,
} from '@filer/program';
import * as v from 'valibot';

interface Data extends Record<string, unknown> {
  peer: { id: string };
  report: { count: number };
}

const contract = {
  events: eventsMethod<Data>({ peer: v.object({ id: v.string() }), report: v.object({ count: v.number() }) }),
};

function clientOf(ring: EventRing<Data>): DaemonClient {
  const methods = implement(contract, { events: (params, call) => tellEvents(ring, params, call) });
  return new DaemonClient(transportHere(methods, () => Promise.resolve()));
}

/** Counts refreshes, and tells when there were so many. */
class Refreshes {
  count = 0;
  #waiting: { count: number; resolve: () => void }[] = [];

  readonly take = async (): Promise<boolean> => {
    this.count++;
    for (const { count, resolve } of this.#waiting) if (this.count >= count) resolve();
    return Promise.resolve(true);
  };

  reached(count: number): Promise<void> {
    if (this.count >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}

test('a document is read at the begin and after each change of its types, and many changes at once are one', async () => {
  const ring = new EventRing<Data>();
  const refreshes = new Refreshes();
  const stop = new AbortController();
  const following = refreshOnEvents(clientOf(ring), contract.events, ['peer'], refreshes.take, stop.signal);
  await refreshes.reached(1);
  for (let count = 1; count <= 100; count++) ring.publish('peer', { id: String(count) });
  await refreshes.reached(2);
  ring.publish('report', { count: 1 });
  ring.publish('peer', { id: 'last' });
  await refreshes.reached(3);
  stop.abort(new Error('enough'));

  await expect(following).rejects.toThrow('enough');
  expect(refreshes.count).toBe(3);
});

test('the end of a daemon ends the following', async () => {
  const ring = new EventRing<Data>();
  const refreshes = new Refreshes();
  const following = refreshOnEvents(
    clientOf(ring),
    contract.events,
    [],
    refreshes.take,
    new AbortController().signal,
  );
  await refreshes.reached(1);
  ring.end();

  expect(await following).toBeUndefined();
});

test('a refresh that is the last one ends the following, and one that fails fails it', async () => {
  const { signal } = new AbortController();
  const follow = (changed: () => void, stop: AbortSignal): Promise<void> => {
    changed();
    return new Promise((resolve) => stop.addEventListener('abort', () => resolve()));
  };

  expect(await refreshOn(follow, () => Promise.resolve(false), signal)).toBeUndefined();
  await expect(refreshOn(follow, () => Promise.reject(new Error('broken')), signal)).rejects.toThrow(
    'broken',
  );
});

test('an event that is not as declared is refused at the door of the command', async () => {
  const ring = new EventRing<Data>();
  const client = clientOf(ring);
  const got = Promise.withResolvers<void>();
  const call = client.call(contract.events, {}, { onItem: () => got.resolve() });
  await got.promise;
  (ring as unknown as EventRing<Record<string, unknown>>).publish('report', { count: 'many' });

  await expect(call).rejects.toMatchObject({ code: 'unsupported' });
});

test('a type of event that the daemon has not is refused', async () => {
  const params = { types: ['weather'] } as unknown as { types: readonly 'peer'[] };

  await expect(clientOf(new EventRing<Data>()).call(contract.events, params)).rejects.toMatchObject({
    code: 'message-malformed',
  });
});

test('a caller that does not take what it is told gets a reset in place of what it missed, and then what is new', async () => {
  const ring = new EventRing<Data>({ maxEvents: 100 });
  const taken: string[] = [];
  const goesOn = Promise.withResolvers<void>();
  const told = new Map(['first', 'missed', 'last'].map((name) => [name, Promise.withResolvers<void>()]));
  const onItem = async ({ type }: { readonly type: string }): Promise<void> => {
    taken.push(type);
    told.get(['first', 'missed', 'last'][taken.length - 1] ?? '')?.resolve();
    if (taken.length === 1) await goesOn.promise;
  };
  const stop = new AbortController();
  const call = clientOf(ring).call(contract.events, {}, { onItem, signal: stop.signal });
  await told.get('first')?.promise;
  for (let count = 1; count <= 10_000; count++) ring.publish('report', { count });
  goesOn.resolve();
  await told.get('missed')?.promise;
  ring.publish('peer', { id: 'new' });
  await told.get('last')?.promise;
  stop.abort(new Error('enough'));

  await expect(call).rejects.toThrow('enough');
  expect(taken).toEqual(['reset', 'reset', 'peer']);
});
