import {
  formatHeartbeat,
  HEARTBEAT_MS,
  MAX_HEARTBEAT_MS,
  MIN_HEARTBEAT_MS,
  pause,
  transfersMessage,
  type Heartbeat,
  type ToldTransfer,
} from '@filer/protocol';
import type { ServerSession } from './server-dial.ts';

/** The share of the interval by which a heartbeat comes earlier or later: 500 clients do not beat as one. */
const HEARTBEAT_JITTER = 0.1;

/**
 * Sends heartbeats until the session ends.
 *
 * @param transfers what runs now; told after a heartbeat
 * @param each done after each heartbeat, while there is a session
 * @throws what `measure` and `each` throw
 */
export async function sendHeartbeats(
  { session, welcome }: ServerSession,
  measure: () => Promise<Heartbeat>,
  transfers: () => readonly ToldTransfer[],
  each: () => Promise<void>,
): Promise<void> {
  const wanted = welcome.heartbeatMs ?? HEARTBEAT_MS;
  const intervalMs = Math.min(Math.max(wanted, MIN_HEARTBEAT_MS), MAX_HEARTBEAT_MS);
  const ended = new AbortController();
  void session.closed.then(() => ended.abort());
  let hasTold = false;
  while (!ended.signal.aborted) {
    const beat = formatHeartbeat(await measure(), Date.now());
    await session.notify(beat.header).catch(() => undefined); // `closed` tells why
    const running = transfers();
    // That none runs any longer is told once.
    if (running.length > 0 || hasTold) {
      const { header, content } = transfersMessage.format({ transfers: running });
      await session.notify(header, content).catch(() => undefined);
    }
    hasTold = running.length > 0;
    if (!ended.signal.aborted) await each();
    const jitter = 1 + HEARTBEAT_JITTER * (2 * Math.random() - 1);
    await pause(intervalMs * jitter, ended.signal);
  }
}
