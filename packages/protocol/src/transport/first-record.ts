/*
 * How a connection begins: with TLS, or, where connections are relayed, with one frame (frame.ts), whose first byte is 0.
 *
 * How a TLS connection begins (RFC 8446, 5.1 and 4):
 *
 *   offset  size  field
 *   0       1     22, a handshake record
 *   1       2     3, 1 to 4: a version that is not looked at any more
 *   3       2     L  length of what follows, at most 16384
 *   5       L     1, a ClientHello …
 */
import type { Duplex } from 'node:stream';
import { FilerError } from '../errors.ts';
import { FrameDecoder } from '../frame.ts';
import { MAX_RELAY_FRAME_BYTES, PREFIX_BYTES } from '../limits.ts';
import { relayMessage } from '../messages/contact.ts';

/** Up to the type of the message in it. */
const HEAD_BYTES = 6;
const HANDSHAKE = 22;
const MAJOR_VERSION = 3;
const MAX_RECORD_BYTES = 16_384;
const CLIENT_HELLO = 1;

/** What a connection begins with. */
export type Beginning =
  | { readonly is: 'tls' }
  /** It is to be joined with another one: what follows is not for this machine. */
  | { readonly is: 'relay'; readonly token: string }
  | { readonly is: 'wrong'; readonly problem: string };

/**
 * Waits for the first record of a TLS connection, which stays in the stream for a reader to come: who says nothing, half a
 * record or something else costs no TLS state. It may never come: time and number of those that wait are the caller's.
 *
 * @param relays whether the frame of a relayed connection may come in its place
 * @param done called once
 */
export function onFirstRecord(stream: Duplex, relays: boolean, done: (beginning: Beginning) => void): void {
  let head: Buffer | undefined;
  const end = (beginning: Beginning): void => {
    stream.removeListener('readable', look);
    done(beginning);
  };
  const look = (): void => {
    head ??= read(stream, HEAD_BYTES);
    if (head === undefined) return;
    const isFrame = relays && head[0] === 0;
    const problem = isFrame ? frameProblemOf(head) : problemOf(head);
    if (problem !== undefined) return end({ is: 'wrong', problem });
    const rest = read(
      stream,
      isFrame ? PREFIX_BYTES - HEAD_BYTES + head.readUInt32BE(0) : head.readUInt16BE(3) - 1,
    );
    if (rest === undefined) return;
    if (isFrame) return end(relayedBy(Buffer.concat([head, rest])));
    stream.unshift(Buffer.concat([head, rest]));
    end({ is: 'tls' });
  };
  stream.on('readable', look);
}

function frameProblemOf(head: Buffer): string | undefined {
  const bytes = head.readUInt32BE(0);
  return bytes === 0 || bytes > MAX_RELAY_FRAME_BYTES
    ? 'its first bytes are no frame of a relayed connection'
    : undefined;
}

function relayedBy(frame: Buffer): Beginning {
  let token: string | undefined;
  try {
    const limits = { maxHeaderBytes: MAX_RELAY_FRAME_BYTES, maxContentBytes: 0 };
    new FrameDecoder(limits).push(frame, (message) => ({ token } = relayMessage.parse(message)));
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
  }
  return token === undefined
    ? { is: 'wrong', problem: 'its first frame is not `relay`' }
    : { is: 'relay', token };
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
