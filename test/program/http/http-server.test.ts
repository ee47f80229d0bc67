import { LOCAL_CALLER, type Tokens } from '@filer/program';
import { get } from 'node:http';
import { aborted, FilerError } from '@filer/protocol';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { itemsAnswer } from '../../../packages/program/src/http/api-routes.ts';
import { HTTP_REQUESTS } from '../../../packages/program/src/http/limits.ts';
import type { RouteRequest } from '../../../packages/program/src/http/route.ts';
import type { Served } from '../../../packages/program/src/rpc/implement.ts';
import { smallServer, statuses, TOKEN, unread } from './small-server.ts';

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
  const known: Pick<RouteRequest, 'caller' | 'signal' | 'lasts'> = {
    caller: LOCAL_CALLER,
    signal: gone.signal,
    lasts: () => undefined,
  };
  expect((await itemsAnswer(tell, {}, known as RouteRequest)).status).toBe(200);
  gone.abort();
  await stopped;
});

test.each(['items', 'document'] as const)(
  '%s are in work until their method has ended, also when its reader went away',
  async (name) => {
    const begun = Promise.withResolvers<AbortSignal>();
    const end = Promise.withResolvers<null>();
    const deaf: Served = (_, { signal }) => {
      begun.resolve(signal);
      return end.promise;
    };
    const { url, http } = await smallServer({ [name]: deaf });
    const asking = get(`${url}/api/${name}`, { headers: { authorization: `Bearer ${TOKEN}` } });
    asking.on('error', () => undefined);
    const signal = await begun.promise;
    asking.destroy();
    await aborted(signal);
    await new Promise(setImmediate);
    expect(http.told.calls).toBe(1);
    end.resolve(null);
    while (http.told.calls > 0) await new Promise(setImmediate);
  },
);

describe('a token that ends', () => {
  const waits: Served = async (_, { emit, signal }) => {
    await emit('item');
    await aborted(signal);
    throw signal.reason;
  };
  const ask = (url: string): Promise<Response>[] =>
    ['/api/items', '/api/events'].map((path) =>
      fetch(`${url}${path}`, { headers: { authorization: `Bearer ${TOKEN}` } }),
    );

  test('ends its calls and its streams when it is revoked', async () => {
    const { url, http, revoke } = await smallServer({ items: waits });
    const answers = await Promise.all(ask(url));
    const types = answers.map(({ headers }) => headers.get('content-type'));
    expect(types).toEqual(['application/x-ndjson', 'text/event-stream']);
    revoke('another');
    expect(http.told).toEqual({ calls: 1, streams: 1 });
    const cut = answers.map((answer) => expect(answer.text()).rejects.toThrow('terminated'));
    revoke('anna');
    await Promise.all(cut);
  });

  test('ends them when it expires', async () => {
    const byDigest: Tokens['byDigest'] = () =>
      Promise.resolve({ id: 'anna', name: 'anna', role: 'read', expiresAt: Date.now() + 50 });
    const { url } = await smallServer({ items: waits }, { tokens: { byDigest } });
    // A busy machine is cut before its answer has come.
    const texts = ask(url).map(async (answer) => await (await answer).text());
    await Promise.all(texts.map((each) => expect(each).rejects.toThrow(/terminated|fetch failed/)));
  });
});

describe('the store is asked', () => {
  test('for so many wrong tokens of one address, and not again until there was time', async () => {
    vi.spyOn(performance, 'now').mockReturnValue(1_000);
    onTestFinished(() => void vi.restoreAllMocks());
    let asked = 0;
    const byDigest = (): Promise<undefined> => {
      asked++;
      return Promise.resolve(undefined);
    };
    const { url } = await smallServer({}, { tokens: { byDigest } });
    const { atOnce } = HTTP_REQUESTS;
    const found = await statuses(`${url}/api/document`, atOnce + 10, 'authorization: Bearer wrong');
    expect([found, asked]).toEqual([{ 401: atOnce, 429: 10 }, atOnce]);
  });

  test('as often as a token may ask, where it is right', async () => {
    vi.spyOn(performance, 'now').mockReturnValue(1_000);
    onTestFinished(() => void vi.restoreAllMocks());
    const { url } = await smallServer({});
    const { atOnce } = HTTP_REQUESTS;
    const right = `authorization: Bearer ${TOKEN}`;
    let found = await statuses(`${url}/api/document`, atOnce / 2, 'authorization: Bearer wrong');
    expect(found).toEqual({ 401: atOnce / 2 });
    found = {};
    for (let number = 0; number < atOnce + 10; number += 10) {
      for (const [status, count] of Object.entries(await statuses(`${url}/api/document`, 10, right)))
        found[status] = (found[status] ?? 0) + count;
    }
    expect(found).toEqual({ 200: atOnce, 429: 10 });
  });
});

test('a stream of events outlives a store that cannot be read, which is no fault of this program', async () => {
  const thrice = Promise.withResolvers<void>();
  let asked = 0;
  const byId = (): Promise<undefined> => {
    if (++asked === 3) thrice.resolve();
    return Promise.reject(new FilerError('no-space', 'the store fails, in a test'));
  };
  const { url, http, faults } = await smallServer(
    {},
    { tokens: { byId }, streamTimes: { deltaMs: 1, heartbeatMs: 1 } },
  );
  const answer = await fetch(`${url}/api/events`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const read = answer.text();
  await Promise.race([thrice.promise, read]);
  expect(http.told.streams).toBe(1);
  await Promise.all([http.close(), expect(read).rejects.toThrow('terminated')]);
  expect(faults).toEqual([]);
});
