import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatText, MAX_TEXT_BYTES, parseMembership, signText } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runHere } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import type { Line } from '../support/programs.ts';
import { TestMember, type MemberConnection } from '../support/test-member.ts';

let network: NetworkHere;
let alice: ClientHere;
let bob: ClientHere;
/** A member whose program is not ours, on a session with bob. */
let mallory: TestMember;
let session: MemberConnection['session'];

beforeAll(async () => {
  network = await NetworkHere.open();
  [alice, bob] = [await network.add('alice'), await network.add('bob')];
  mallory = await TestMember.join(await network.invite(), 'mallory');
  const direct = mallory.at({ host: '127.0.0.1', port: bob.port, id: bob.daemon.id });
  const { membership } = mallory;
  ({ session } = await direct.connect({
    role: 'command',
    hello: { membership: parseMembership(membership) },
  }));
  await alice.sees('bob');
});
afterAll(async () => {
  await session.close();
  await network[Symbol.asyncDispose]();
});

async function say(text: string): Promise<void> {
  const { network: id, identity } = mallory;
  await session.ask(
    formatText(signText(identity, { network: id, to: bob.daemon.id, time: Date.now(), text })),
  );
}

async function messages(...args: string[]): Promise<Line[]> {
  return (await bob.ask('messages', ...args))['messages'] as Line[];
}

describe('a member that floods another one with texts', () => {
  test('is told so, and the texts of others come and stay', async () => {
    await alice.ask('message', 'bob', 'before');
    const flood = async (): Promise<void> => {
      for (;;) await say('x'.repeat(MAX_TEXT_BYTES));
    };
    await expect(flood()).rejects.toMatchObject({
      code: 'rate-limited',
      message: expect.stringContaining('256 KiB') as unknown,
    });
    await expect(say('short')).resolves.toBeUndefined(); // what is left of the minute
    await alice.ask('message', 'bob', 'after');

    expect((await messages('--from', 'alice')).map(({ text }) => text)).toEqual(['before', 'after']);
    expect(await messages('--from', 'mallory', '--yes')).toHaveLength(16);
  });
});

test('a machine whose disk has at most keep-free left takes no text, and its sender is told so', async () => {
  await network.join('carol');
  await writeFile(join(network.home('carol'), 'config.toml'), 'keep-free = "9000000GB"\n');
  const carol = await (await network.start(network.home('carol'))).connected();
  await alice.sees('carol');

  expect(await alice.run('message', 'carol', 'hello', '--json')).toMatchObject({
    code: 11,
    stdout: expect.stringContaining('keep-free') as unknown,
  });
  expect(await carol.ask('messages')).toEqual({ messages: [] });
});

describe('messages', () => {
  test('are shown, deleted and kept by id, sender and time', async () => {
    const [before, after] = await messages('--from', 'alice');
    const id = String(before?.['id']);
    expect(await bob.ask('messages', '--keep', id.slice(0, 10))).toMatchObject({ action: 'keep', count: 1 });
    expect(await messages(id)).toMatchObject([{ text: 'before', kept: true }]);
    expect(await messages('--before', '1h')).toEqual([]);

    expect(await bob.ask('messages', '--delete', '--from', 'mallory', '--dry-run')).toMatchObject({
      action: 'delete',
      dryRun: true,
      count: 16,
    });
    expect(await messages('--from', 'mallory', '--yes')).toHaveLength(16);
    expect(await bob.ask('messages', '--delete', '--from', 'mallory', '--yes')).toMatchObject({ count: 16 });
    expect((await messages()).map(({ text }) => text)).toEqual(['before', 'after']);

    await bob.ask('messages', '--delete', String(after?.['id']), '--yes');
    expect((await messages()).map(({ text }) => text)).toEqual(['before']);
    expect(await bob.run('messages', '--delete', '--all', '--yes')).toMatchObject({
      code: 0,
      stdout: '1 message deleted\n',
    });
    expect(await messages()).toEqual([]);
    await alice.ask('message', 'bob', 'again'); // the daemon continues with the same database
    expect((await messages()).map(({ text }) => text)).toEqual(['again']);
  });

  test.each([
    [['--delete', '--yes'], 2, 'usage'],
    [['--keep'], 2, 'usage'],
    [['--delete', '--keep', '--all', '--yes'], 2, 'usage'],
    [['--delete', '--all', '--from', 'alice', '--yes'], 2, 'usage'],
    [['--all'], 2, 'usage'],
    [['--dry-run'], 2, 'usage'],
    [['--delete', '--before', 'soon'], 2, 'usage'],
    [['--delete', 'nonesuch', '--yes'], 1, 'no-such-message'],
  ] as const)('messages %j is refused', async (args, code, name) => {
    const outcome = await runHere('filer-client', bob.home, ['messages', ...args, '--json']);

    expect(outcome.code).toBe(code);
    expect(JSON.parse(outcome.stdout)).toMatchObject({ code: name });
    expect(await messages()).toHaveLength(1);
  });
});
