import { refusal } from './http-failure.ts';
import { isOwnHost, type Reached, type RequestFacts } from './request-facts.ts';
import type { IncomingMessage } from 'node:http';

/** On every answer. Scripts and styles are files of the page; nothing of another site is loaded, and none shows the page. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/** @returns the answer to a request that names another server; undefined for one that is well */
export function hostRefusal(
  facts: RequestFacts,
  incoming: IncomingMessage,
  reached: Reached,
  needsTls: boolean,
): Response | undefined {
  if (!isOwnHost(facts.host, incoming, reached)) {
    return refusal(
      421,
      'refused',
      `this server is not called ${JSON.stringify(facts.host ?? '')}: use its address, or give the name with --http-name`,
    );
  }
  if (needsTls && !facts.isSecure && !facts.isLocal)
    return refusal(403, 'refused', 'only the proxy that --http-proxy names, over TLS, is served here');
  return undefined;
}

/**
 * Whether another site is behind a request. What changes something says the page it comes from, when a browser sends it.
 *
 * @param hasCookie whether the request is let in for what a browser sends by itself
 */
export function siteRefusal(
  { headers }: IncomingMessage,
  { origin }: RequestFacts,
  changes: boolean,
  hasCookie: boolean,
): Response | undefined {
  const given = headers.origin?.toLowerCase();
  const site = headers['sec-fetch-site'];
  const isForeign =
    (given !== undefined && given !== origin) ||
    (site !== undefined && site !== 'same-origin' && site !== 'none') ||
    (changes && hasCookie && given === undefined);
  return isForeign ? refusal(403, 'refused', 'a page of another site may not call this server') : undefined;
}

/** A form of another site cannot send this media type without asking first, and is not answered. */
export function typeRefusal({ headers }: IncomingMessage, takes: string): Response | undefined {
  const given = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  return given === takes ? undefined : refusal(415, 'message-malformed', `the body has to be ${takes}`);
}
