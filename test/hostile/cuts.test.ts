import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { dialOver, sayHello, unauthenticatedMessenger, type Hello } from '@filer/protocol';
import { processShares } from '../../packages/protocol/src/fairness/process-shares.ts';
import { until } from '../support/in-process.ts';
import { NetworkHere } from '../support/network-here.ts';
import { helloOf, TestMember } from '../support/test-member.ts';

/** One frame of each message, as docs/protocol.md shows it. */
const page = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const frames = [...page.matchAll(/^```frame \S+\n([^]*?)^```$/gm)].map(([, block = '']) => {
  const hex = block.split('\n').filter((line) => /^[0-9a-f ]+$/.test(line));
  return Buffer.from(hex.join('').replaceAll(' ', ''), 'hex');
});

/** Where a frame is cut: in its lengths, in its header, before its last byte. */
const CUTS = [() => 5, (frame: Buffer) => 12 % frame.length, (frame: Buffer) => frame.length - 1];

function bytesHeld(): number {
  return processShares.partial.total + processShares.unread.total;
}

test('a connection that is cut or reset in the middle of a message, whatever the message, leaves nothing behind', async () => {
  expect(frames.length).toBeGreaterThan(50);
  await using network = await NetworkHere.open();
  const alice = await network.add('alice');
  const bob = await network.add('bob');
  const { port } = alice;
  const mallory = await TestMember.join(await network.invite(), 'mallory');
  const peer = { host: '127.0.0.1', port, id: String((await alice.ask('status'))['id']) };
  const session: Partial<Hello> = { role: 'command', membership: mallory.membership };
  const targets = [
    { to: mallory.server, hello: session },
    { to: peer, hello: session },
    { to: peer, hello: { ...session, purpose: 'transfer' as const } },
  ];
  await bob.sees('alice');
  // Other tests of this process may hold some.
  const before = bytesHeld();

  for (const { to, hello } of targets) {
    for (const [index, frame] of frames.entries()) {
      const raw = connect({ host: to.host, port: to.port });
      const link = await dialOver(raw, { identity: mallory.identity, expect: to.id, where: 'the target' });
      await sayHello(unauthenticatedMessenger(link), helloOf(mallory.network, hello));
      const cut = CUTS[index % CUTS.length]?.(frame) ?? 0;
      await new Promise<void>((resolve) => link.socket.write(frame.subarray(0, cut), () => resolve()));
      // An end, or a reset: what the other side has not read yet is gone.
      const closed = once(raw, 'close');
      if (index % 2 === 0) link.socket.destroy();
      else raw.resetAndDestroy();
      await closed;
    }
  }

  await until(
    () => Promise.resolve(bytesHeld()),
    (bytes) => bytes <= before,
  );
  await bob.ask('message', 'alice', 'still there?');
  expect(await bob.ask('report', 'ok=1')).toMatchObject({ stored: true });
});
