import { signal } from '@preact/signals';

/** What a token lets its owner do: each role includes those before it. */
const ROLES = ['read', 'jobs', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** `none`: this browser has no session, or the server ended it. */
export const session = signal<'unknown' | 'open' | 'none'>('unknown');

const role = signal<Role>('read');

/** Whether to offer what needs a role; the server decides in the end. */
export function may(needed: Role): boolean {
  return ROLES.indexOf(role.value) >= ROLES.indexOf(needed);
}

/** The server answered that it does not know this browser. */
export function lose(): void {
  session.value = 'none';
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

/** Asks whether the server still knows this browser, or knows it again: a stream that ends does not say why. */
export async function checkSession(): Promise<void> {
  const response = await fetch('/session', { headers: sessionHeaders() }).catch(() => undefined);
  if (response?.status === 401) lose();
  else if (response?.ok === true) session.value = 'open';
}

/**
 * Makes the token of the address (`#token=…`) a session, and removes it from the address and the history. Without one, the session
 * that the browser has is used.
 */
export async function openSession(): Promise<void> {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  const headers = { 'content-type': 'application/json' };
  const begin: RequestInit = { method: 'POST', headers, body: JSON.stringify({ token }) };
  // Another tab has a new session: this one has it, too.
  addEventListener('storage', ({ key }) => {
    if (key === KEPT_KEY) void checkSession();
  });
  if (token !== null) history.replaceState(null, '', `${location.pathname}${location.search}`);
  try {
    const response = await fetch('/session', token === null ? { headers: sessionHeaders() } : begin);
    if (response.status === 401) return lose();
    const answer: unknown = await response.json();
    role.value = ROLES.find((each) => each === textIn(answer, 'role')) ?? 'read';
    const key = textIn(answer, 'key');
    if (key !== undefined) keepKey(key);
  } catch {
    // A server that is away is asked again by what the page reads.
  }
  session.value = 'open';
}

function textIn(answer: unknown, name: string): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const value = new Map<string, unknown>(Object.entries(answer)).get(name);
  return typeof value === 'string' ? value : undefined;
}
