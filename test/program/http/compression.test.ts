import { get, request } from 'node:http';
import { expect, test } from 'vitest';
import { encodingFor } from '../../../packages/program/src/http/compression.ts';
import type { Served } from '../../../packages/program/src/rpc/implement.ts';
import { smallServer, TOKEN } from './small-server.ts';

const LONG = 'the same words '.repeat(500);
const long: Served = () => Promise.resolve(LONG);

interface Answer {
  readonly encoding: string | undefined;
  readonly vary: string | undefined;
  readonly length: number;
}

/** Does not decode, as `fetch` would. */
async function ask(url: string, headers: object = {}, method = 'GET'): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const given = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers };
  const asking = request(url, { headers: given, method, agent: false }, (incoming) => {
    let length = 0;
    incoming.on('data', (piece: Buffer) => (length += piece.length));
    const { 'content-encoding': encoding, vary } = incoming.headers;
    incoming.once('end', () => resolve({ encoding, vary, length }));
  });
  asking.on('error', reject);
  asking.end(method === 'POST' ? '{}' : undefined);
  return promise;
}

test('a long answer is compressed for who takes that, and for no one else', async () => {
  const { url } = await smallServer({ document: long });
  const path = `${url}/api/document`;

  const small = await ask(path, { 'accept-encoding': 'br, gzip' });
  expect(small).toMatchObject({ encoding: 'gzip', vary: 'accept-encoding' });
  expect(small.length).toBeLessThan(LONG.length / 10);
  const whole = { encoding: undefined, vary: 'accept-encoding', length: LONG.length + 2 };
  expect(await ask(path)).toEqual(whole);
  expect(await ask(path, { 'accept-encoding': 'gzip;q=0, br' })).toEqual(whole);
  expect(await ask(path, { 'accept-encoding': 'gzip' }, 'HEAD')).toMatchObject({ encoding: undefined });
  const headers = { authorization: `Bearer ${TOKEN}` };
  expect(await (await fetch(path, { headers })).json()).toBe(LONG);
});

test('neither a short answer is compressed, nor that of a change, which may have a secret', async () => {
  const { url } = await smallServer({ document: () => Promise.resolve('short'), change: long });
  const accept = { 'accept-encoding': 'gzip' };

  expect((await ask(`${url}/api/document`, accept)).encoding).toBeUndefined();
  expect((await ask(`${url}/api/change`, accept, 'POST')).encoding).toBeUndefined();
});

test('items are compressed and come when they are told', async () => {
  const heard = Promise.withResolvers<void>();
  const { url } = await smallServer({
    items: async (_, { emit }) => {
      await emit('first');
      await emit();
      await heard.promise;
      await emit('second');
      return null;
    },
  });
  const answer = await fetch(`${url}/api/items`, { headers: { authorization: `Bearer ${TOKEN}` } });
  expect(answer.headers.get('content-encoding')).toBe('gzip');
  let text = '';
  for await (const piece of answer.body ?? []) {
    text += Buffer.from(piece).toString();
    if (text.includes('first')) heard.resolve();
  }
  expect(text.trim().split('\n')).toEqual(['{"item":"first"}', '{"item":"second"}', '{"result":null}']);
});

test('compressed items end with their reader', async () => {
  const stopped = Promise.withResolvers<void>();
  const { url, http, faults } = await smallServer({
    items: async (_, { emit }) => {
      try {
        // Random, so that it stays as long: what no one reads is not written for good.
        for (;;) await emit(Array.from({ length: 5_000 }, () => Math.random()).join(' '));
      } catch (error) {
        stopped.resolve();
        throw error;
      }
    },
  });
  const headers = { authorization: `Bearer ${TOKEN}`, 'accept-encoding': 'gzip' };
  const asking = get(`${url}/api/items`, { headers, agent: false });
  const { promise, resolve } = Promise.withResolvers<void>();
  asking.once('response', () => resolve());
  asking.on('error', () => undefined);
  await promise;
  expect(http.told.calls).toBe(1);
  asking.destroy();
  await stopped.promise;
  while (http.told.calls > 0) await new Promise(setImmediate);
  expect(faults).toEqual([]);
});

test.each([
  ['gzip', 'gzip'],
  ['deflate, GZIP;q=0.5', 'gzip'],
  ['gzip, br', 'br'],
  ['br;q=0, gzip', 'gzip'],
  ['gzip; q=0', undefined],
  ['xgzip', undefined],
  ['', undefined],
  [undefined, undefined],
])('of %j the encoding is %j', (accepted, encoding) => {
  expect(encodingFor(accepted, ['br', 'gzip'])).toBe(encoding);
});
