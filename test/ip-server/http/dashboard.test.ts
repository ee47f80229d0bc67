import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NetworkHere } from '../../support/network-here.ts';

let network: NetworkHere;
let url: string;

beforeAll(async () => {
  network = await NetworkHere.open({ httpPort: 0 });
  url = network.server.http.url ?? '';
});
afterAll(() => network[Symbol.asyncDispose]());

async function tokenOf(role: string): Promise<string> {
  const { token } = await network.askServer('dashboard', '--role', role, '--name', role);
  return String(token);
}

const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } });

test('a token reads what commands read', async () => {
  const answer = await fetch(`${url}/api/status`, bearer(await tokenOf('read')));
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ running: true, http: url, members: 0 });
  expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
});

test('a link becomes a cookie', async () => {
  const token = await tokenOf('admin');
  const json = { 'content-type': 'application/json', origin: url };
  const answer = await fetch(`${url}/session`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ token }),
  });
  expect(answer.status).toBe(200);
  const cookie = answer.headers.get('set-cookie') ?? '';
  expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
  expect(cookie).not.toContain(token);
  const { key } = (await answer.json()) as { key: string };
  const headers = { cookie: cookie.split(';')[0] ?? '', 'x-filer-session': key };
  expect(
    (await fetch(`${url}/api/peers?params=${encodeURIComponent('{"all":true}')}`, { headers })).status,
  ).toBe(200);
});

describe('events', () => {
  test('are streamed, coalesced, and end with the token', async () => {
    const added = await network.askServer('dashboard');
    const answer = await fetch(`${url}/api/events`, bearer(String(added['token'])));
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    let text = '';
    const reading = (async () => {
      for await (const piece of answer.body ?? []) {
        text += Buffer.from(piece).toString();
        if (text.includes('reset') && !text.includes('revoked now')) {
          text += 'revoked now';
          await network.askServer('dashboard', '--revoke', String(added['id']));
        }
      }
    })();
    await expect(reading).rejects.toThrow('terminated');
    expect(text).toContain('event: reset');
  });
});
