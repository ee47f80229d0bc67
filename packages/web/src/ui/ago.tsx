import { signal } from '@preact/signals';
import { agoText } from './format.ts';

/** The time by which the page shows ages; moves once a second while the page is seen. */
export const now = signal(Date.now());

/** How far the server's clock is ahead of this browser's, in ms: ages are by the server's. */
let ahead = 0;

setInterval(() => {
  if (!document.hidden) now.value = Date.now() + ahead;
}, 1_000);
document.addEventListener('visibilitychange', () => {
  now.value = Date.now() + ahead;
});

/** @param time of the server, as an answer told it */
export function setClock(time: string): void {
  ahead = Date.parse(time) - Date.now();
  now.value = Date.now() + ahead;
}

/** When something was, or will be; the exact time as its tooltip. */
export function Ago({ at, none = '–' }: { readonly at: string | null; readonly none?: string }) {
  if (at === null) return <span class="dim">{none}</span>;
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {agoText(Date.parse(at), now.value)}
    </time>
  );
}
