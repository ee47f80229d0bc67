import { signal } from '@preact/signals';

/** What the page shows stands in its address: `/?show=late&machine=ID`. */
export const address = signal(new URLSearchParams(location.search));

addEventListener('popstate', () => {
  address.value = new URLSearchParams(location.search);
});

export type Place = Readonly<Record<string, string | undefined>>;

/** The address of this page with other values; undefined removes one. */
export function addressOf(place: Place): string {
  const params = new URLSearchParams(address.value);
  for (const [key, value] of Object.entries(place)) {
    if (value === undefined || value === '') params.delete(key);
    else params.set(key, value);
  }
  return params.size === 0 ? '/' : `/?${params}`;
}

/** @param replace where "back" should not lead through each step, as while a person types */
export function go(place: Place, replace = false): void {
  const to = addressOf(place);
  if (replace) history.replaceState(null, '', to);
  else history.pushState(null, '', to);
  address.value = new URLSearchParams(location.search);
}
