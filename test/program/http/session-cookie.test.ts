import { expect, test } from 'vitest';
import { SESSION_MS } from '../../../packages/program/src/http/limits.ts';
import { sessionCookies, type SessionCookies } from '../../../packages/program/src/http/session-cookie.ts';

const KEY = new Uint8Array(32).fill(7);
const begin = (cookies: SessionCookies, isSecure = false): [cookie: string, key: string] => {
  const { cookie, key } = cookies.begin('token', isSecure);
  return [cookie.split(';')[0] ?? '', key];
};

test('a cookie is good after a restart, until its time is over', () => {
  const before = begin(sessionCookies(KEY, 'ip-server-1', () => 0));
  const at = (now: number) => sessionCookies(KEY, 'ip-server-1', () => now).read(...before, false);
  expect(at(SESSION_MS - 1)).toBe('token');
  expect(at(SESSION_MS)).toBeUndefined();
});

test('a cookie ends with its token, where that has an end', () => {
  const endsAt = 90 * 24 * 3_600_000 + 1_000;
  const { cookie, key } = sessionCookies(KEY, 'ip-server-1', () => 1_000).begin('token', false, endsAt);
  expect(cookie).toMatch(/Max-Age=7776000$/);
  const [pair = ''] = cookie.split(';');
  const at = (now: number) => sessionCookies(KEY, 'ip-server-1', () => now).read(pair, key, false);
  expect(at(endsAt - 1)).toBe('token');
  expect(at(endsAt)).toBeUndefined();
});

test('one of another server, port or scheme is not', () => {
  const mine = sessionCookies(KEY, 'ip-server-1', () => 0);
  const [plain, key] = begin(mine);
  expect(sessionCookies(new Uint8Array(32), 'ip-server-1', () => 0).read(plain, key, false)).toBeUndefined();
  const value = plain.slice(plain.indexOf('=') + 1);
  const other = sessionCookies(KEY, 'ip-server-2', () => 0);
  expect(other.read(`ip-server-2=${value}`, key, false)).toBeUndefined();
  expect(mine.read(plain, key, true)).toBeUndefined();
  const [secure, secureKey] = begin(mine, true);
  expect(mine.read(`a=b; ${secure}`, secureKey, true)).toBe('token');
});

test('a cookie is good with the key of its session alone', () => {
  let now = 0;
  const cookies = sessionCookies(KEY, 'ip-server-1', () => now);
  const [first, firstKey] = begin(cookies);
  now = 1;
  const [, secondKey] = begin(cookies);
  expect(cookies.read(first, firstKey, false)).toBe('token');
  for (const wrong of [secondKey, first.split('.').at(-1), '', undefined])
    expect(cookies.read(first, wrong, false)).toBeUndefined();
});
