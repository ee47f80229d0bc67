import { LOCAL_CALLER } from '@filer/program';
import { describe, expect, test } from 'vitest';
import { itemsAnswer } from '../../../packages/program/src/http/api-routes.ts';
import type { RouteRequest } from '../../../packages/program/src/http/route.ts';
import type { Served } from '../../../packages/program/src/rpc/implement.ts';
import { smallServer, unread } from './small-server.ts';

/** Tells items until no one takes them. */
function teller(): { readonly tell: Served; readonly stopped: Promise<unknown> } {
  const stopped = Promise.withResolvers<unknown>();
  const tell: Served = async (_, { emit }) => {
    try {
      for (;;) await emit('item');
    } catch (error) {
      stopped.resolve(error);
      throw error;
    }
  };
  return { tell, stopped: stopped.promise };
}

describe('HEAD', () => {
  test('ends what tells items to no one', async () => {
    const { tell, stopped } = teller();
    const { url, http, faults } = await smallServer({ items: tell });
    expect(await unread(`${url}/api/items`, 'HEAD')).toBe(200);
    await stopped;
    while (http.told.calls > 0) await new Promise(setImmediate);
    expect(faults).toEqual([]);
  });

  test('opens no stream of events', async () => {
    const { url, http, faults } = await smallServer({});
    expect(await unread(`${url}/api/events`, 'HEAD')).toBe(200);
    while (http.told.streams > 0) await new Promise(setImmediate);
    expect(faults).toEqual([]);
  });
});

test('items that no one reads end when their reader goes away', async () => {
  const { tell, stopped } = teller();
  const gone = new AbortController();
  const known: Pick<RouteRequest, 'caller' | 'signal'> = { caller: LOCAL_CALLER, signal: gone.signal };
  expect((await itemsAnswer(tell, {}, known as RouteRequest)).status).toBe(200);
  gone.abort();
  await stopped;
});
