import { RECONNECT_FIRST_MS, RECONNECT_JITTER, RECONNECT_LONGEST_MS } from '@filer/protocol';

/**
 * How long to wait before the next try: doubled each time up to a bound, and spread so that a thousand clients
 * of a restarted server do not come back in one second.
 *
 * @param failures tries that have failed in a row, from 1
 * @param random from 0 to 1
 */
export function reconnectDelayMs(failures: number, random: number): number {
  const [least, most] = RECONNECT_JITTER;
  const doubled = RECONNECT_FIRST_MS * 2 ** Math.min(failures - 1, 30);
  return Math.min(doubled, RECONNECT_LONGEST_MS) * (least + random * (most - least));
}
