import { FilerError } from '@filer/protocol';
import { expect, test } from 'vitest';
import { SharedSessions } from '../../apps/ip-server/src/network/shared-sessions.ts';

test('a text that the other servers cannot be handed is given to none', async () => {
  const given: string[] = [];
  const local = {
    of: (peer: string) => (peer === 'anna' ? { peer, id: '1', server: 'SERVER' } : undefined),
    ask: () => expect.unreachable(),
    send: (peers: Iterable<string>) => Promise.resolve(given.push(...peers)),
  };
  const post = () => Promise.reject(new FilerError('timed-out', 'it is away'));
  const live = new SharedSessions('SERVER', local, { post });

  const message = { header: { type: 'text' }, content: Buffer.alloc(0) };
  await expect(live.send(['anna', 'bob'], message)).rejects.toMatchObject({ code: 'timed-out' });
  expect(given).toEqual([]);
  expect(await live.send(['anna'], message)).toBe(1);
});
