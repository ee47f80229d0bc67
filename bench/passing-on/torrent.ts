/**
 * For a comparison with BitTorrent: makes a torrent of one file, and is its tracker.
 *
 *     node bench/passing-on/torrent.ts FILE TORRENT http://HOST:PORT/announce
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename } from 'node:path';

const PIECE = 1024 * 1024;
const [, , file = '', torrent = '', announce = ''] = process.argv;

function text(value: string): Buffer {
  return bytes(Buffer.from(value));
}

function bytes(value: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${value.length}:`), value]);
}

const content = readFileSync(file);
const pieces: Buffer[] = [];
for (let at = 0; at < content.length; at += PIECE)
  pieces.push(
    createHash('sha1')
      .update(content.subarray(at, at + PIECE))
      .digest(),
  );
const info = [
  Buffer.from('d'),
  text('length'),
  Buffer.from(`i${content.length}e`),
  text('name'),
  text(basename(file)),
  text('piece length'),
  Buffer.from(`i${PIECE}e`),
  text('pieces'),
  bytes(Buffer.concat(pieces)),
  Buffer.from('e'),
];
const parts = [Buffer.from('d'), text('announce'), text(announce), text('info'), ...info, Buffer.from('e')];
writeFileSync(torrent, Buffer.concat(parts));

const peers = new Map<string, Buffer>();
const { hostname, port } = new URL(announce);
createServer((request, response) => {
  const address = (request.socket.remoteAddress ?? '').replace('::ffff:', '');
  const at = Number(new URL(request.url ?? '/', announce).searchParams.get('port'));
  peers.set(`${address}:${at}`, Buffer.from([...address.split('.').map(Number), at >> 8, at & 255]));
  response.end(
    Buffer.concat([
      Buffer.from('d'),
      text('interval'),
      Buffer.from('i2e'),
      text('peers'),
      bytes(Buffer.concat([...peers.values()])),
      Buffer.from('e'),
    ]),
  );
}).listen(Number(port), hostname);
