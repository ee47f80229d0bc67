import { expect, test } from 'vitest';
import { SESSION_MS } from '../../../packages/program/src/http/limits.ts';
import { sessionCookies } from '../../../packages/program/src/http/session-cookie.ts';

const KEY = new Uint8Array(32).fill(7);
const cookieOf = (header: string): string => header.split(';')[0] ?? '';

test('a cookie is good after a restart, until its time is over', () => {
  const before = cookieOf(sessionCookies(KEY, 'ip-server-1', () => 0).begin('token', false));
  const at = (now: number) => sessionCookies(KEY, 'ip-server-1', () => now).read(before, false);
  expect(at(SESSION_MS - 1)).toBe('token');
  expect(at(SESSION_MS)).toBeUndefined();
});

test('one of another server, port or scheme is not', () => {
  const mine = sessionCookies(KEY, 'ip-server-1', () => 0);
  const plain = cookieOf(mine.begin('token', false));
  expect(sessionCookies(new Uint8Array(32), 'ip-server-1', () => 0).read(plain, false)).toBeUndefined();
  const value = plain.slice(plain.indexOf('=') + 1);
  expect(sessionCookies(KEY, 'ip-server-2', () => 0).read(`ip-server-2=${value}`, false)).toBeUndefined();
  expect(mine.read(plain, true)).toBeUndefined();
  expect(mine.read(`a=b; ${cookieOf(mine.begin('token', true))}`, true)).toBe('token');
});
