import { signal } from '@preact/signals';

/** `none`: this browser has no session, or the server ended it. */
export const session = signal<'unknown' | 'open' | 'none'>('unknown');

/** The server answered that it does not know this browser. */
export function lose(): void {
  session.value = 'none';
}

/**
 * Makes the token of the address (`#token=…`) a session, and removes it from the address and the history. Without one, the session
 * that the browser has is used.
 */
export async function openSession(): Promise<void> {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token !== null) {
    history.replaceState(null, '', `${location.pathname}${location.search}`);
    const response = await fetch('/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    }).catch(() => undefined);
    if (response?.ok === false) return lose();
  }
  session.value = 'open';
}
