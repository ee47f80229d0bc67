import { FilerError } from '@filer/protocol';
import { resolveHome } from '@filer/program';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import type { Outreach } from '../../../apps/filer-client/src/network/outreach.ts';
import { PATHS } from '../../../apps/filer-client/src/network/paths.ts';
import { direct } from '../../../apps/filer-client/src/network/paths/direct.ts';
import { dialPeer } from '../../../apps/filer-client/src/network/reach-peer.ts';
import { hasStalled, StalledPaths } from '../../../apps/filer-client/src/network/stalled-paths.ts';
import { NetworkHere } from '../../support/network-here.ts';

const MINUTE_MS = 60_000;

test('a path that stalled is avoided for two minutes, and for twice that each time, at most an hour', () => {
  const paths = new StalledPaths();
  let now = 0;
  for (const minutes of [2, 4, 8, 16, 32, 60, 60]) {
    paths.stalled('ben', '192.0.2.7', now);
    expect(paths.isAvoided('ben', '192.0.2.7', now + minutes * MINUTE_MS - 1)).toBe(true);
    now += minutes * MINUTE_MS;
    expect(paths.isAvoided('ben', '192.0.2.7', now)).toBe(false);
  }
  expect(paths.isAvoided('ben', '192.0.2.8', 0)).toBe(false);
  expect(paths.isAvoided('carol', '192.0.2.7', 0)).toBe(false);
});

test('what got through, or a peer that no path reaches, is avoided nowhere', () => {
  const paths = new StalledPaths();
  for (const place of ['192.0.2.7', 'punched']) paths.stalled('ben', place, 0);
  paths.forget('ben', 'punched');
  expect([paths.isAvoided('ben', 'punched', 1), paths.isAvoided('ben', '192.0.2.7', 1)]).toEqual([
    false,
    true,
  ]);
  paths.stalled('ben', 'punched', 0);
  expect(paths.isAvoided('ben', 'punched', 2 * MINUTE_MS - 1)).toBe(true);
  expect(paths.isAvoided('ben', 'punched', 2 * MINUTE_MS)).toBe(false);
  paths.forget('ben');
  expect(paths.isAvoided('ben', '192.0.2.7', 1)).toBe(false);
});

test('of many paths that stalled the oldest are forgotten', () => {
  const paths = new StalledPaths();
  for (let n = 0; n <= 1_000; n++) paths.stalled('ben', `host-${n}`, 0);
  expect([0, 1, 1_000].map((n) => paths.isAvoided('ben', `host-${n}`, 1))).toEqual([false, true, true]);
});

test.each([
  ['timed-out', undefined, 0, 60_000, true],
  [undefined, 'timed-out', 0, 60_000, true],
  ['connection-closed', undefined, 20_000, 19_999, true],
  ['connection-closed', undefined, 19_999, 0, false],
  ['connection-silent', undefined, 45_000, 45_000, false],
  [undefined, 'connection-closed', 0, 0, false],
  [undefined, undefined, 0, 0, false],
] as const)(
  'an end by %s, told %s, with nothing taken for %i ms and nothing heard for %i ms: stalled is %s',
  (code, told, stuckMs, silentMs, stalled) => {
    const reason = code && new FilerError(code, 'x');
    const lastWord = told && { type: 'error', code: told };
    expect(hasStalled(reason, { lastWord, stuckMs, recvTime: 1_000_000 - silentMs }, 1_000_000)).toBe(
      stalled,
    );
  },
);

test('a path that stalled comes after those that did not, and is used where it is the only one', async () => {
  await using network = await NetworkHere.open();
  const ben = await network.add('ben');
  const carol = await network.add('carol');
  await carol.sees('ben');
  await carol[Symbol.asyncDispose]();
  const second = {
    ...direct,
    kind: 'second',
    candidates: () => ['somewhere'],
    // It is no race: on a slow machine the second one would win it.
    dial: (_: string, ...how: [Parameters<typeof direct.dial>[1], AbortSignal]) =>
      secondAnswers
        ? direct.dial(ben.daemon.listen, ...how)
        : Promise.reject(new FilerError('connect-failed', 'not now')),
  };
  let secondAnswers = false;
  PATHS.add(second);
  onTestFinished(() => void PATHS.delete(second));
  using member = await Member.open(resolveHome('filer-client', { FILER_HOME: carol.home }));
  const outreach = { member, access: { overLoopback: true }, software: '0' } as unknown as Outreach;
  const peer = member.directory.byId(ben.daemon.id);
  if (peer === undefined) throw new Error('it was seen');
  const via = async (): Promise<string> => {
    const { messenger, via: path } = await dialPeer(outreach, peer, { purpose: 'session' });
    await messenger.close();
    return path;
  };

  expect(await via()).toBe('direct');
  member.stalledPaths.stalled(peer.id, '127.0.0.1');
  secondAnswers = true;
  expect(await via()).toBe('second');
  member.stalledPaths.stalled(peer.id, 'second');
  secondAnswers = false;
  expect(await via()).toBe('direct');
});

test('a person who does not answer in time says nothing about the path', async () => {
  await using network = await NetworkHere.open();
  const home = network.home('ben');
  await network.join('ben');
  const config = join(home, 'config.toml');
  await writeFile(config, `accept = "ask"\n${await readFile(config, 'utf8')}`);
  await network.start(home);
  const anna = await network.add('anna');
  await anna.sees('ben');
  const file = join(network.folder, 'a');
  await writeFile(file, 'a');
  const stalled = vi.spyOn(StalledPaths.prototype, 'stalled');
  onTestFinished(() => stalled.mockRestore());

  expect((await anna.run('send', file, '--to', 'ben', '--timeout', '1s')).code).toBe(9);
  expect(stalled).not.toHaveBeenCalled();
});
