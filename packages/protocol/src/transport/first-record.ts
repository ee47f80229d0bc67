/*
 * How a TLS connection begins (RFC 8446, 5.1 and 4):
 *
 *   offset  size  field
 *   0       1     22, a handshake record
 *   1       2     3, 1 to 4: a version that is not looked at any more
 *   3       2     L  length of what follows, at most 16384
 *   5       L     1, a ClientHello …
 */
import type { Duplex } from 'node:stream';

/** Up to the type of the message in it. */
const HEAD_BYTES = 6;
const HANDSHAKE = 22;
const MAJOR_VERSION = 3;
const MAX_RECORD_BYTES = 16_384;
const CLIENT_HELLO = 1;

/**
 * Waits for the first record of a TLS connection, which stays in the stream for a reader to come: who says nothing, half a
 * record or something else costs no TLS state. It may never come: time and number of those that wait are the caller's.
 *
 * @param done called once, with what is wrong with it
 */
export function onFirstRecord(stream: Duplex, done: (problem?: string) => void): void {
  let head: Buffer | undefined;
  const end = (problem?: string): void => {
    stream.removeListener('readable', look);
    done(problem);
  };
  const look = (): void => {
    head ??= read(stream, HEAD_BYTES);
    if (head === undefined) return;
    const problem = problemOf(head);
    if (problem !== undefined) return end(problem);
    const rest = read(stream, head.readUInt16BE(3) - 1);
    if (rest === undefined) return;
    stream.unshift(Buffer.concat([head, rest]));
    end();
  };
  stream.on('readable', look);
}

/** @returns undefined while so many bytes are not there */
function read(stream: Duplex, bytes: number): Buffer | undefined {
  const piece: unknown = stream.read(bytes);
  return Buffer.isBuffer(piece) && piece.length === bytes ? piece : undefined;
}

function problemOf(head: Buffer): string | undefined {
  if (head[0] !== HANDSHAKE || head[1] !== MAJOR_VERSION || head[HEAD_BYTES - 1] !== CLIENT_HELLO)
    return 'its first bytes are no ClientHello';
  const bytes = head.readUInt16BE(3);
  return bytes < 2 || bytes > MAX_RECORD_BYTES ? `its first record has ${bytes} bytes` : undefined;
}
