import { afterAll, beforeAll, expect, test } from 'vitest';
import { contract } from '../../../apps/ip-server/src/api/contract.ts';
import { Api } from './api.ts';

let api: Api;
beforeAll(async () => {
  api = await Api.open();
});
afterAll(() => api.close());

const ODD = ['', '\u0000', '../..', '+275761-01-01T00:00:00Z', '@all', ['x'], -1, 1.5, 2 ** 53 - 1, null, {}];
const USUAL = { peer: 'anna', limit: 10, since: '2026-01-01T00:00:00Z', name: 'x', all: true };

const reading = Object.values(contract).filter(
  ({ access, changes }) => access !== undefined && changes !== true,
);

test.each(reading)(
  '$name answers odd parameters, and no fault of ours comes of them',
  async ({ name, params }) => {
    const { token } = await api.token('admin');
    const entries: unknown = 'entries' in params ? params.entries : {};
    const keys = typeof entries === 'object' && entries !== null ? Object.keys(entries) : [];
    const usual = Object.fromEntries(Object.entries(USUAL).filter(([key]) => keys.includes(key)));
    const asked = keys.flatMap((key) => ODD.map((odd) => JSON.stringify({ ...usual, [key]: odd })));
    const answers = await Promise.all(
      asked.slice(0, 15).map((given) => api.get(`/api/${name}?params=${encodeURIComponent(given)}`, token)),
    );
    for (const given of asked.slice(15))
      answers.push(await api.get(`/api/${name}?params=${encodeURIComponent(given)}`, token));
    const wrong = answers.filter(
      ({ status, body }) => status >= 500 || status === 429 || /"code":"(internal|store-damaged)"/.test(body),
    );
    expect(wrong.map(({ body }) => body)).toEqual([]);
  },
);
