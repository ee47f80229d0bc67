import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dial, encodeFrame, listen, Messenger } from '@filer/protocol';
import { accepted, collect, connect, nextOf, TLS, until } from './wires.ts';

const KiB = 1024;

test('messages cut anywhere come whole out of a buffer that is used again', async () => {
  const content = fc.oneof(fc.uint8Array({ maxLength: 2_000 }), fc.uint8Array({ minLength: 40_000 }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(content, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 30_000 }), { maxLength: 12 }),
      async (contents, sizes) => {
        await using pair = await connect(TLS, { reuseReads: true });
        const bytes = Buffer.concat(contents.map((each) => encodeFrame({ type: 'piece' }, each)));
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          const piece = bytes.subarray(at, at + size);
          at += size;
          if (piece.length > 0) await new Promise((resolve) => pair.far.socket.write(piece, resolve));
        }
        pair.far.socket.end();

        // Read at the end: by then each piece was overwritten by the next.
        const received = await collect(pair.near);

        expect(received.map((each) => [...each.content])).toEqual(contents.map((each) => [...each]));
      },
    ),
    { numRuns: 25 },
  );
});

test('a reader that falls behind pauses such a socket and loses nothing', async () => {
  await using pair = await connect(TLS, { reuseReads: true, near: { maxUnreadBytes: 64 * KiB } });
  const sends = Array.from({ length: 64 }, (_, n) =>
    pair.far.send({ type: 'chunk' }, Buffer.alloc(32 * KiB, n)),
  );
  await until(() => pair.near.socket.isPaused());
  for (let turns = 0; turns < 100; turns++) await turn();

  expect(pair.near.receivedBytes).toBeLessThan(512 * KiB);
  for (let n = 0; n < 64; n++) expect((await nextOf(pair.near)).content[0]).toBe(n);
  await Promise.all(sends);
});

test('what came before anyone listened is not lost', async () => {
  const place = await TLS.place();
  const { onConnection, next } = accepted();
  const listener = await listen(place, { onConnection });
  const link = await dial(TLS.towards(place, listener), { reuseReads: true });
  const far = await next;
  far.admit();
  const { socket } = far;
  await new Promise((resolve) => socket.write(encodeFrame({ type: 'first' }), resolve));
  await until(() => link.socket.bytesRead > 0);
  await new Promise((resolve) => socket.end(encodeFrame({ type: 'second' }), () => resolve(undefined)));

  const near = new Messenger(link.socket, { reads: link.reads });

  expect((await collect(near)).map(({ header }) => header['type'])).toEqual(['first', 'second']);
  expect(await near.closed).toBeUndefined();
  await listener.close();
});

test('an end inside a message is told', async () => {
  await using pair = await connect(TLS, { reuseReads: true });
  pair.far.socket.end(encodeFrame({ type: 'cut' }, Buffer.alloc(100)).subarray(0, 50));

  expect(await collect(pair.near)).toEqual([]);
  expect((await pair.near.closed)?.code).toBe('connection-closed');
});
