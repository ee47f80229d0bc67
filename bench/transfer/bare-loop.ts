/*
 * What a bare Node program does with the same work, as a bar to compare with: file → TLS 1.3 → slab → file, BLAKE3
 * on both sides, fdatasync at the end. Two processes; no protocol, no receipts, no names, nothing kept.
 *
 *   node bench/transfer/bare-loop.ts send SOURCE PORT CERT KEY [HOST]   serves one connection
 *   node bench/transfer/bare-loop.ts receive TARGET PORT [HOST]         connects, writes, prints the digest
 */
import { closeSync, fdatasyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { connect, createServer, type ConnectionOptions } from 'node:tls';
import { Blake3Hasher } from '@napi-rs/blake-hash';

const SLAB_BYTES = 256 * 1024;
const CIPHERS = 'TLS_AES_128_GCM_SHA256';
const [mode, file = '', port = '0', ...more] = process.argv.slice(2);

if (mode === 'send') {
  const [certFile = '', keyFile = '', host = '127.0.0.1'] = more;
  const tls = {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    ciphers: CIPHERS,
    minVersion: 'TLSv1.3',
  } as const;
  const server = createServer(tls, (socket) => {
    server.close();
    const source = openSync(file, 'r');
    const hasher = new Blake3Hasher();
    const buffers = [Buffer.allocUnsafeSlow(SLAB_BYTES), Buffer.allocUnsafeSlow(SLAB_BYTES)];
    let over = false;
    const fill = (buffer: Buffer): void => {
      if (over) return;
      const bytes = readSync(source, buffer);
      if (bytes === 0) {
        over = true;
        closeSync(source);
        socket.end();
        return;
      }
      const piece = buffer.subarray(0, bytes);
      hasher.update(piece);
      socket.write(piece, () => fill(buffer));
    };
    buffers.forEach(fill);
    socket.on('close', () => console.log(hasher.digest('hex')));
    socket.resume();
  });
  server.listen(Number(port), host, () => console.log('ready'));
} else {
  const target = openSync(file, 'w');
  const hasher = new Blake3Hasher();
  const slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  let filled = 0;
  const flush = (): void => {
    const piece = slab.subarray(0, filled);
    hasher.update(piece);
    for (let at = 0; at < piece.length;) at += writeSync(target, piece, at);
    filled = 0;
  };
  // `onread` is documented for both `net` and `tls`; the types know it of `net` alone.
  const options: ConnectionOptions & { onread: object } = {
    port: Number(port),
    host: more[0] ?? '127.0.0.1',
    rejectUnauthorized: false,
    ciphers: CIPHERS,
    minVersion: 'TLSv1.3',
    onread: {
      buffer: Buffer.allocUnsafeSlow(SLAB_BYTES),
      callback: (bytes: number, buffer: Uint8Array) => {
        if (filled + bytes > SLAB_BYTES) flush();
        slab.set(buffer.subarray(0, bytes), filled);
        filled += bytes;
        return true;
      },
    },
  };
  const socket = connect(options);
  socket.on('end', () => {
    flush();
    fdatasyncSync(target);
    closeSync(target);
    console.log(hasher.digest('hex'));
    socket.end();
  });
}
