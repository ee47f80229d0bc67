import { expect, test } from 'vitest';
import type { Message } from '@filer/protocol';
import { MessageQueue } from '../../packages/protocol/src/message-queue.ts';

async function nextOf(queue: MessageQueue): Promise<Message> {
  const next = await queue.next();
  if (next.done === true) throw new Error('the queue has ended');
  return next.value;
}

const NONE = Buffer.alloc(0);

test('a header counts for what waits unread, and is taken off when it was read', async () => {
  const left: number[] = [];
  const queue = new MessageQueue((unread) => left.push(unread));
  queue.put({ header: { type: 'x', long: 'y'.repeat(60_000) }, content: NONE });
  expect(queue.unreadBytes).toBeGreaterThan(60_000);
  queue.put({ header: {}, content: Buffer.alloc(100) });
  await queue.next();
  await queue.next();

  expect(left.at(-1)).toBe(0);
  expect(left[0]).toBeLessThan(2_000);
});

test('a small content that waits does not keep the large piece alive that it came in', async () => {
  const queue = new MessageQueue(() => undefined);
  const piece = Buffer.alloc(64 * 1024, 7);
  queue.put({ header: {}, content: piece.subarray(10, 30) });
  const { content } = await nextOf(queue);

  expect(content).toEqual(Buffer.alloc(20, 7));
  expect(content.buffer.byteLength).toBe(20);
});

test('a large content that waits is not copied', async () => {
  const queue = new MessageQueue(() => undefined);
  const content = Buffer.alloc(64 * 1024).subarray(0, 60_000);
  queue.put({ header: {}, content });

  expect((await nextOf(queue)).content).toBe(content);
});
