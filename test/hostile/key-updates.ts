/*
 * A TLS 1.3 client that changes its keys again and again (RFC 8446, 4.6.3), which Node offers to no one: it takes the secret of
 * its direction from `keylog` once the handshake is over, and writes the records by itself.
 */
import { createCipheriv, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import type { Identity } from '@filer/protocol';

const HANDSHAKE = 22;
const APPLICATION_DATA = 23;
const KEY_UPDATE = 24;
const TAG_BYTES = 16;

export interface BareTls {
  readonly raw: Socket;
  /** What is said over it must be awaited before the first key is changed. */
  readonly tls: TLSSocket;
  /** One change of keys, as a record; each record is of the keys after the one before. */
  keyUpdate(asksForOne: boolean): Buffer;
  /** What `tls` cannot say any more once a key was changed, as a record. */
  data(content: Buffer): Buffer;
}

/** Connects with a certificate and our ALPN. */
export async function connectBare(port: number, host: string, identity: Identity): Promise<BareTls> {
  const raw = connectPlain(port, host).setNoDelay();
  await once(raw, 'connect');
  const written: Buffer[] = [];
  const below = new Duplex({
    read: () => undefined,
    write: (piece: Buffer, _encoding, done) => {
      written.push(piece);
      raw.write(piece, done);
    },
  });
  raw.on('data', (piece: Buffer) => below.push(piece)).on('error', () => below.destroy());
  raw.on('close', () => below.destroy());
  const tls = connect({
    socket: below,
    key: identity.keyPem,
    cert: identity.certPem,
    ALPNProtocols: ['filer/1'],
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256',
    rejectUnauthorized: false,
  });
  let secret: Buffer = Buffer.alloc(0);
  tls.on('keylog', (line: Buffer) => {
    const [label, , hex = ''] = line.toString().trim().split(' ');
    if (label === 'CLIENT_TRAFFIC_SECRET_0') secret = Buffer.from(hex, 'hex');
  });
  tls.on('error', () => undefined);
  await once(tls, 'secureConnect');
  const before = recordsIn(written);
  let sequence: number | undefined;
  const next = (type: number, message: Buffer): Buffer => {
    sequence ??= recordsIn(written) - before;
    return sealed(secret, sequence++, Buffer.concat([message, Buffer.of(type)]));
  };
  return {
    raw,
    tls,
    data: (content) => next(APPLICATION_DATA, content),
    keyUpdate: (asksForOne) => {
      const record = next(HANDSHAKE, Buffer.of(KEY_UPDATE, 0, 0, 1, asksForOne ? 1 : 0));
      secret = expand(secret, 'traffic upd', 32);
      sequence = 0;
      return record;
    },
  };
}

/** The first bytes of a client that speaks our protocol. */
export function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const below = new Duplex({ read: () => undefined, write: (piece: Buffer) => resolve(piece) });
    connect({ socket: below, ALPNProtocols: ['filer/1'], minVersion: 'TLSv1.3' }).on(
      'error',
      () => undefined,
    );
  });
}

/** A record may be in two pieces. */
function recordsIn(pieces: readonly Buffer[]): number {
  const all = Buffer.concat(pieces);
  let count = 0;
  for (let at = 0; at < all.length; at += 5 + all.readUInt16BE(at + 3)) count++;
  return count;
}

function sealed(secret: Buffer, sequence: number, inner: Buffer): Buffer {
  const nonce = expand(secret, 'iv', 12);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ sequence) >>> 0, 8);
  const head = Buffer.of(APPLICATION_DATA, 3, 3, 0, inner.length + TAG_BYTES);
  const cipher = createCipheriv('aes-128-gcm', expand(secret, 'key', 16), nonce).setAAD(head);
  return Buffer.concat([head, cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
}

/** HKDF-Expand-Label with SHA-256 and no context (RFC 8446, 7.1). */
function expand(secret: Buffer, label: string, bytes: number): Buffer {
  const full = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.of(0, bytes, full.length), full, Buffer.of(0, 1)]);
  return createHmac('sha256', secret).update(info).digest().subarray(0, bytes);
}
