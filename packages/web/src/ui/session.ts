import { signal } from '@preact/signals';
import type { Role } from '@filer/program';

/** Each role includes those below it. */
const RANKS: Readonly<Record<Role, number>> = { read: 0, jobs: 1, admin: 2 };

/** `unknown`: the server has not said yet; `none`: this browser has no session, or the server ended it. */
export const session = signal<'unknown' | 'open' | 'none'>('unknown');

const role = signal<Role>('read');

const RETRY_MS = 2_000;

/** The token of the address, until the server has said what it is. */
let token: string | undefined;

/** Whether to offer what needs a role; the server decides in the end. */
export function may(needed: Role): boolean {
  return RANKS[role.value] >= RANKS[needed];
}

/** The server answered that it does not know this browser: final once it has answered the token, too. */
export function lose(): void {
  if (token === undefined) session.value = 'none';
}

/** Where the key of the session is kept: for the origin, and so not for other servers of the machine, as its cookie is. */
const KEPT_KEY = 'filer-session';

/** Where a browser keeps nothing for pages: until this one is closed. */
let unkept = '';

function keyOfSession(): string {
  try {
    return localStorage.getItem(KEPT_KEY) ?? unkept;
  } catch {
    return unkept;
  }
}

function keepKey(key: string): void {
  unkept = key;
  try {
    localStorage.setItem(KEPT_KEY, key);
  } catch {
    // See above.
  }
}

/** What each request to the server has: its cookie alone is not enough. */
export function sessionHeaders(): Record<string, string> {
  return { 'x-filer-session': keyOfSession() };
}

/** The same for an address that a browser asks for by itself. */
export function withSession(path: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}session=${encodeURIComponent(keyOfSession())}`;
}

/**
 * Asks the server who this browser is, with the token of its address while there is one. An answer that does not say so changes
 * nothing: a server may be away or busy.
 */
export async function checkSession(): Promise<void> {
  const asked = token;
  const response = await ask(asked).catch(() => undefined);
  if (response?.ok !== true && response?.status !== 401) return;
  const answer: unknown = await response.json().catch(() => undefined);
  if (token === asked) token = undefined;
  if (!response.ok) return lose();
  const told = textIn(answer, 'role');
  role.value = isRole(told) ? told : 'read';
  const key = textIn(answer, 'key');
  if (key !== undefined) keepKey(key);
  session.value = 'open';
}

function isRole(told: string | undefined): told is Role {
  return told !== undefined && Object.hasOwn(RANKS, told);
}

function ask(asked: string | undefined): Promise<Response> {
  if (asked === undefined) return fetch('/session', { headers: sessionHeaders() });
  const headers = { 'content-type': 'application/json' };
  return fetch('/session', { method: 'POST', headers, body: JSON.stringify({ token: asked }) });
}

/**
 * Makes the token of the address (`#token=…`) a session, and removes it from the address and the history. Without one, the session
 * that the browser has is used.
 */
export async function openSession(): Promise<void> {
  token = new URLSearchParams(location.hash.slice(1)).get('token') ?? undefined;
  // What another tab does with the session is true for this one, too.
  addEventListener('storage', ({ key, newValue }) => {
    if (key !== KEPT_KEY) return;
    if (newValue === '') location.reload();
    else void checkSession();
  });
  if (token !== undefined) history.replaceState(null, '', `${location.pathname}${location.search}`);
  await checkSession();
  if (session.value === 'unknown') void checkUntilKnown();
}

/** Signs this browser out. @throws Error when the server does not do it */
export async function closeSession(): Promise<void> {
  const response = await fetch('/session', { method: 'DELETE', headers: sessionHeaders() });
  if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`);
  keepKey('');
  // Ends the stream of events, too.
  location.reload();
}

async function checkUntilKnown(): Promise<void> {
  while (session.value === 'unknown') {
    await new Promise((wake) => setTimeout(wake, RETRY_MS));
    await checkSession();
  }
}

function textIn(answer: unknown, name: string): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const value = new Map<string, unknown>(Object.entries(answer)).get(name);
  return typeof value === 'string' ? value : undefined;
}
