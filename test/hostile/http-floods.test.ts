import { once } from 'node:events';
import { get, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { LOCAL_CALLER } from '@filer/program';
import { documentAnswer } from '../../packages/program/src/http/api-routes.ts';
import {
  HTTP_ANSWER_BYTES,
  HTTP_REQUESTS,
  HTTP_STREAMS,
  MAX_HTTP_BODY_BYTES,
} from '../../packages/program/src/http/limits.ts';
import type { RouteRequest } from '../../packages/program/src/http/route.ts';
import { Api } from '../ip-server/http/api.ts';
import { statuses } from '../program/http/small-server.ts';

let api: Api;
beforeAll(async () => {
  api = await Api.open();
});
afterAll(() => api.close());

async function openStream(
  token: string,
): Promise<{ readonly status: number; readonly asking: ClientRequest }> {
  const asking = get(`${api.url}/api/events`, {
    agent: false,
    headers: { authorization: `Bearer ${token}` },
  });
  const [incoming] = (await once(asking, 'response')) as [IncomingMessage];
  incoming.on('error', () => undefined);
  return { status: incoming.statusCode ?? 0, asking };
}

test('streams of one token are so many, whether they are read or not; others have theirs', async () => {
  const [greedy, modest] = [await api.token('read'), await api.token('read')];
  const streams = [];
  for (let number = 0; number < HTTP_STREAMS.perHolder; number++)
    streams.push(await openStream(greedy.token));
  expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
  expect((await openStream(greedy.token)).status).toBe(429);
  expect((await openStream(modest.token)).status).toBe(200);
  for (let number = 0; number < 3_000; number++)
    api.network.server.events.publish('peer', { id: String(number) });
  expect((await api.get('/api/status', modest.token)).status).toBe(200);
  const { http } = api.network.server;
  const { asking } = streams[0] ?? {};
  asking?.destroy();
  while (http.told.streams > HTTP_STREAMS.perHolder) await new Promise(setImmediate);
  expect((await openStream(greedy.token)).status).toBe(200);
});

test('requests without a token are so many, and take nothing from who has one', async () => {
  const { token } = await api.token('read');
  // Meanwhile no time passes, in which they could have more.
  vi.spyOn(performance, 'now').mockReturnValue(performance.now());
  onTestFinished(() => void vi.restoreAllMocks());
  const { atOnce } = HTTP_REQUESTS;
  const [first, second] = [
    await statuses(`${api.url}/api/status`, atOnce),
    await statuses(`${api.url}/api/peers`, 10),
  ];
  expect([first, second]).toEqual([{ 401: atOnce }, { 429: 10 }]);
  expect((await api.get('/api/status', token)).status).toBe(200);
  expect((await api.get('/healthz')).status).toBe(200);
});

test('a body that does not end is refused at its bound', async () => {
  const { token } = await api.token('admin');
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const asking = request(`${api.url}/api/broadcast`, { method: 'POST', agent: false, headers });
  asking.on('error', () => undefined);
  const answered = once(asking, 'response');
  // One byte above the bound: a client that writes to a connection that was closed meanwhile loses the answer.
  asking.write(Buffer.alloc(MAX_HTTP_BODY_BYTES + 1, ' '));
  const [incoming] = (await answered) as [IncomingMessage];
  expect(incoming.statusCode).toBe(413);
  incoming.on('error', () => undefined);
  asking.destroy();
});

test('answers that no one reads are bounded in bytes for a token, and counted until they have gone', async () => {
  const text = 'x'.repeat(HTTP_ANSWER_BYTES.perHolder / 2 + 1);
  const caller = { ...LOCAL_CALLER, id: 'slow reader' };
  const asked = (signal: AbortSignal): Promise<Response> => {
    const known: Pick<RouteRequest, 'caller' | 'signal'> = { caller, signal };
    return documentAnswer(() => Promise.resolve(text), {}, known as RouteRequest);
  };
  const gone = new AbortController();
  expect((await asked(gone.signal)).status).toBe(200);
  await expect(asked(new AbortController().signal)).rejects.toMatchObject({ code: 'rate-limited' });
  gone.abort();
  await expect(asked(AbortSignal.abort(new Error('gone, in a test')))).rejects.toThrow('gone, in a test');
  expect((await asked(new AbortController().signal)).status).toBe(200);
});
