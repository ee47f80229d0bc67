import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TCP, connect, until } from './wires.ts';

const KiB = 1024;

test.each(['as an option', 'later'])(
  'a lower bound for what waits unread, given %s, pauses the socket earlier and loses nothing',
  async (when) => {
    const far = when === 'later' ? {} : { maxUnreadBytes: 64 * KiB };
    await using pair = await connect(TCP, { far });
    if (when === 'later') pair.far.setMaxUnreadBytes(64 * KiB);

    const sends = Array.from({ length: 64 }, (_, n) =>
      pair.near.send({ type: 'chunk' }, Buffer.alloc(32 * KiB, n)),
    );
    await until(() => pair.far.socket.isPaused());
    for (let turns = 0; turns < 100; turns++) await turn();

    expect(pair.far.receivedBytes).toBeLessThan(256 * KiB);
    const reader = pair.far[Symbol.asyncIterator]();
    for (let n = 0; n < 64; n++) {
      const { value, done } = await reader.next();
      expect(done === true ? undefined : value.content[0]).toBe(n);
    }
    await Promise.all(sends);
  },
);
