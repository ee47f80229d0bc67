import type { Socket } from 'node:net';
import { dialPlain, encodeFrame, FilerError, relayMessage, type HostPort } from '@filer/protocol';

/** One address of a relay. */
const TIMEOUT_MS = 5_000;

/**
 * Opens a connection to a relay, which will be joined with that of another machine.
 *
 * @param addresses of the relay, tried one after the other
 * @returns the connection; what is written on it waits for the other machine
 * @throws FilerError `connect-failed`, `timed-out`, or the reason of `signal`
 */
export async function joinRelay(
  addresses: readonly HostPort[],
  token: string,
  signal: AbortSignal,
): Promise<Socket> {
  let failure = new FilerError('connect-failed', 'the relay has no address that is known here');
  for (const address of addresses) {
    try {
      const socket = await dialPlain(address, { signal, timeoutMs: TIMEOUT_MS });
      const { header, content } = relayMessage.format({ token });
      socket.write(encodeFrame(header, content));
      return socket;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      failure = error;
    }
    signal.throwIfAborted();
  }
  throw failure;
}
