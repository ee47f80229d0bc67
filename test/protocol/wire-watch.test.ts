import { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { TLS_OVERHEAD_BYTES } from '@filer/protocol';
import { WireWatch } from '../../packages/protocol/src/transport/tls-acceptor.ts';

function watched() {
  const ended: string[] = [];
  const watch = new WireWatch(2, (_raw, _secure, why) => ended.push(why));
  onTestFinished(() => watch.close());
  const raw = new PassThrough();
  let read = 0;
  const secure = new Socket();
  Object.defineProperty(secure, 'bytesRead', { get: () => read });
  watch.add(raw, secure);
  /** So much comes, of which so much can be read, and then it is looked at. */
  const comes = (bytes: number, readable: number): number => {
    raw.emit('data', Buffer.alloc(bytes));
    read += readable;
    watch.check();
    return ended.length;
  };
  return comes;
}

test('what little can be read of ends when it is more than the overhead, however slowly it comes', () => {
  const comes = watched();
  for (let n = 0; n < 64; n++) expect(comes(TLS_OVERHEAD_BYTES / 64, 0)).toBe(0);
  expect(comes(1, 0)).toBe(1);
});

test('what could be read before makes up for nothing that comes later', () => {
  const comes = watched();
  expect(comes(1_100_000, 1_000_000)).toBe(0);
  expect(comes(TLS_OVERHEAD_BYTES, 0)).toBe(0);
  expect(comes(1, 0)).toBe(1);
});

test('what can be read never ends a connection, whatever records it came in', () => {
  const comes = watched();
  for (let n = 0; n < 1_000; n++) expect(comes(50, 25)).toBe(0);
  expect(comes(TLS_OVERHEAD_BYTES, 0)).toBe(0);
});
