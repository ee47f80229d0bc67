import { createHmac, timingSafeEqual } from 'node:crypto';
import { SESSION_MS } from './limits.ts';

/*
 * The cookie of a browser that showed its token once:
 *
 *   ID.EXPIRES.MAC     id of the token, ms since the epoch in base 36, HMAC-SHA-256 of both
 *
 * It lasts over a restart, holds no token, and ends with its token: who the id belongs to is asked at each request.
 */

export interface SessionCookies {
  /** The header of an answer that begins a session. */
  begin(tokenId: string, isSecure: boolean): string;
  /** The header of an answer that ends it. */
  end(isSecure: boolean): string;
  /** @param header the cookies of a request @returns the id of the token */
  read(header: string | undefined, isSecure: boolean): string | undefined;
}

/**
 * @param key secret, at least 32 bytes; the same after a restart
 * @param name differs for each program and port: cookies of a host go to all of its ports
 */
export function sessionCookies(key: Uint8Array, name: string, now: () => number): SessionCookies {
  // A browser takes `__Host-` from the host itself over TLS only.
  const nameOf = (isSecure: boolean): string => (isSecure ? `__Host-${name}` : name);
  const macOf = (text: string): Buffer =>
    createHmac('sha256', key).update(`session ${name} ${text}`).digest();
  const header = (value: string, isSecure: boolean, seconds: number): string =>
    `${nameOf(isSecure)}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${isSecure ? '; Secure' : ''}`;
  return {
    begin: (tokenId, isSecure) => {
      const text = `${tokenId}.${(now() + SESSION_MS).toString(36)}`;
      return header(`${text}.${macOf(text).toString('base64url')}`, isSecure, SESSION_MS / 1_000);
    },
    end: (isSecure) => header('', isSecure, 0),
    read: (cookies = '', isSecure) => {
      const prefix = `${nameOf(isSecure)}=`;
      const value = cookies
        .split(';')
        .map((each) => each.trim())
        .find((each) => each.startsWith(prefix));
      const [id = '', expires = '', mac = '', ...rest] = value?.slice(prefix.length).split('.') ?? [];
      const given = Buffer.from(mac, 'base64url');
      const right = macOf(`${id}.${expires}`);
      if (rest.length > 0 || given.length !== right.length || !timingSafeEqual(given, right))
        return undefined;
      return Number.parseInt(expires, 36) > now() ? id : undefined;
    },
  };
}
