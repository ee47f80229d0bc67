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

/** Asks whether the server still knows this browser, or knows it again: a stream that ends does not say why. */
export async function checkSession(): Promise<void> {
  const response = await fetch('/session').catch(() => undefined);
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
  if (token !== null) history.replaceState(null, '', `${location.pathname}${location.search}`);
  try {
    const response = await fetch('/session', token === null ? {} : begin);
    if (response.status === 401) return lose();
    const answer: unknown = await response.json();
    const told = typeof answer === 'object' && answer !== null && 'role' in answer ? answer.role : undefined;
    role.value = ROLES.find((each) => each === told) ?? 'read';
  } catch {
    // A server that is away is asked again by what the page reads.
  }
  session.value = 'open';
}
