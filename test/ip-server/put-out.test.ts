import { createKeyPair, FrameDecoder, signRemoval, type Message, type Messenger } from '@filer/protocol';
import { expect, test } from 'vitest';
import { announceRemovals } from '../../apps/ip-server/src/network/removals.ts';

/** What a connection was handed, in order. */
function heard(told: string[]): Pick<Messenger, 'post'> {
  return {
    post: (frame) => {
      new FrameDecoder().push(Buffer.from(frame), ({ header }: Message) => told.push(header['type'] ?? ''));
      return true;
    },
  };
}

test('a machine that is removed gets what proves it before it is out, however many others are told', async () => {
  const key = createKeyPair();
  const removed = createKeyPair().id;
  const told: string[] = [];
  const connection = heard(told) as Messenger;
  const others = Array.from({ length: 1_000 }, () => heard([]) as Messenger);
  const presence = {
    sessions: () => [...others, connection],
    sessionsOf: (id: string) => (id === removed ? [connection] : []),
    expel: (id: string) => void told.push(`out ${id === removed}`),
  };
  const removal = signRemoval(key, { id: removed, number: 1, removedAt: 1 });
  const many = await announceRemovals([removal], presence, async (to) => [...to].length);
  expect(told).toEqual(['removals', 'out true']);
  expect(many).toBe(1_001);
});
