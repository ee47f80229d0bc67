import { createHmac, timingSafeEqual } from 'node:crypto';
import { SESSION_MS } from './limits.ts';

/*
 * What a browser gets that showed its token once. A cookie:
 *
 *   ID.EXPIRES.MAC     id of the token, ms since the epoch in base 36, HMAC-SHA-256 of both
 *
 * It lasts over a restart, holds no token, and ends with its token: who the id belongs to is asked at each request. And a key, another
 * HMAC of both, which the page keeps for its origin and sends with each request: a browser sends the cookies of a host to all of its
 * ports, and so to web servers of other users of the machine.
 */

/** Has the key of a session; a GET may have it as `?session=`, for what a page cannot give headers. */
export const SESSION_HEADER = 'x-filer-session';

export interface SessionCookies {
  /** The header of an answer that begins a session, and its key. @param endsAt ms since the epoch @default `SESSION_MS` from now */
  begin(
    tokenId: string,
    isSecure: boolean,
    endsAt?: number,
  ): { readonly cookie: string; readonly key: string };
  /** The header of an answer that ends it. */
  end(isSecure: boolean): string;
  /** @param header the cookies of a request @param key what it has as the key @returns the id of the token */
  read(header: string | undefined, key: string | undefined, isSecure: boolean): string | undefined;
}

/**
 * @param key secret, at least 32 bytes; the same after a restart
 * @param name differs for each program and port: cookies of a host go to all of its ports
 */
export function sessionCookies(key: Uint8Array, name: string, now: () => number): SessionCookies {
  // A browser takes `__Host-` from the host itself over TLS only.
  const nameOf = (isSecure: boolean): string => (isSecure ? `__Host-${name}` : name);
  const macOf = (what: 'session' | 'key', text: string): Buffer =>
    createHmac('sha256', key).update(`${what} ${name} ${text}`).digest();
  const isMac = (given: string, what: 'session' | 'key', text: string): boolean => {
    const [bytes, right] = [Buffer.from(given, 'base64url'), macOf(what, text)];
    return bytes.length === right.length && timingSafeEqual(bytes, right);
  };
  const header = (value: string, isSecure: boolean, seconds: number): string =>
    `${nameOf(isSecure)}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${isSecure ? '; Secure' : ''}`;
  return {
    begin: (tokenId, isSecure, endsAt = now() + SESSION_MS) => {
      const text = `${tokenId}.${endsAt.toString(36)}`;
      const seconds = Math.max(0, Math.ceil((endsAt - now()) / 1_000));
      const [mac, pageKey] = [macOf('session', text), macOf('key', text)];
      return {
        cookie: header(`${text}.${mac.toString('base64url')}`, isSecure, seconds),
        key: pageKey.toString('base64url'),
      };
    },
    end: (isSecure) => header('', isSecure, 0),
    read: (cookies = '', given = '', isSecure) => {
      const prefix = `${nameOf(isSecure)}=`;
      const value = cookies
        .split(';')
        .map((each) => each.trim())
        .find((each) => each.startsWith(prefix));
      const [id = '', expires = '', mac = '', ...rest] = value?.slice(prefix.length).split('.') ?? [];
      const text = `${id}.${expires}`;
      if (rest.length > 0 || !isMac(mac, 'session', text) || !isMac(given, 'key', text)) return undefined;
      return Number.parseInt(expires, 36) > now() ? id : undefined;
    },
  };
}
