import { getEventListeners } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { FilerError, type Link } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { PATHS } from '../../../apps/filer-client/src/network/paths.ts';
import { direct } from '../../../apps/filer-client/src/network/paths/direct.ts';
import { race } from '../../../apps/filer-client/src/network/paths/race.ts';
import { reverseTo } from '../../../apps/filer-client/src/network/paths/reverse.ts';
import { NetworkHere } from '../../support/network-here.ts';
import { unixPath } from '../../support/unix-path.ts';

async function openNetwork(): Promise<NetworkHere> {
  const network = await NetworkHere.open();
  onTestFinished(() => network[Symbol.asyncDispose]());
  return network;
}

function onlyUnix(): void {
  PATHS.add(unixPath).delete(direct);
  onTestFinished(() => void PATHS.add(direct).delete(unixPath));
}

test('files and messages travel over a path that was registered, with the keys and rules of any other', async () => {
  onlyUnix();
  const network = await openNetwork();
  const alice = await network.add('alice');
  await network.add('bob');
  const bob = await alice.sees('bob');
  const file = join(network.folder, 'a.txt');
  await writeFile(file, 'over a Unix socket');

  expect(bob).toMatchObject({ addresses: [expect.stringMatching(/^unix:\/\/.*peers\.sock$/)], via: 'unix' });
  expect(await alice.run('message', 'bob', 'hello')).toMatchObject({ code: 0 });
  expect(await alice.run('send', file, '--to', 'bob')).toMatchObject({ code: 0 });
  expect(await readFile(join(network.home('bob'), 'inbox', 'alice', 'a.txt'), 'utf8')).toBe(
    'over a Unix socket',
  );
});

test('a path that cannot be opened is logged, and the machine is reached on the others', async () => {
  const network = await openNetwork();
  await network.join('bob');
  PATHS.add(unixPath);
  onTestFinished(() => void PATHS.delete(unixPath));
  const broken = {
    ...unixPath,
    kind: 'broken',
    candidates: () => [],
    listen: () => Promise.reject(new FilerError('address-unusable', 'no relay answers')),
  };
  PATHS.add(broken);
  onTestFinished(() => void PATHS.delete(broken));
  const bob = await (await network.start(network.home('bob'))).connected();
  const alice = await network.add('alice');

  expect(bob.log).toContain('no relay answers');
  const { addresses } = await alice.sees('bob');
  expect(addresses).toEqual([`127.0.0.1:${bob.port}`, expect.stringMatching(/^unix:/)]);
  expect(await alice.run('message', 'bob', 'hello')).toMatchObject({ code: 0 });
});

test('what is dialled back is the address that asked, where it is one that the peer has published', () => {
  const addresses = ['192.0.2.7:1', '192.0.2.8:2', '127.0.0.1:3', 'relay://192.0.2.7:4', 'tcp://192.0.2.7:5'];
  const candidates = (host: string | undefined) =>
    reverseTo(host).candidates(addresses, { overLoopback: false });

  expect(candidates('192.0.2.7')).toEqual(['192.0.2.7:1', '192.0.2.7:5']);
  expect(candidates('::ffff:192.0.2.8')).toEqual(['192.0.2.8:2']);
  expect(candidates('192.0.2.9')).toEqual([]);
  expect(candidates('127.0.0.1')).toEqual([]);
  expect(candidates(undefined)).toEqual([]);
});

const linkOf = (socket = new Socket()): Link => ({ socket, peerId: 'P' });
const refusal = (why: string) => new FilerError('connect-failed', why);
const never = (signal: AbortSignal): Promise<Link> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

test('the first connection wins, an attempt that fails gives way at once, and those that wait are ended', async () => {
  const begun: string[] = [];
  let ended: unknown;
  const link = linkOf();
  const result = await race(
    [
      () => (begun.push('fails'), Promise.reject(refusal('first'))),
      (signal) => (
        begun.push('waits'),
        never(signal).catch((reason: unknown) => Promise.reject((ended = reason)))
      ),
      () => (begun.push('wins'), Promise.resolve(link)),
      () => (begun.push('late'), Promise.resolve(linkOf())),
    ],
    undefined,
  );

  expect(result).toMatchObject({ link, failures: [{ message: 'first' }] });
  expect(begun).toEqual(['fails', 'waits', 'wins']);
  await Promise.resolve();
  expect(ended).toMatchObject({ code: 'connect-failed' });
});

test('a connection that comes second is closed', async () => {
  const second = linkOf();
  const { promise, resolve } = Promise.withResolvers<Link>();
  const { link } = await race([() => promise, () => Promise.resolve(linkOf())], undefined);
  resolve(second);
  await promise;
  await Promise.resolve();

  expect(link?.socket.destroyed).toBe(false);
  expect(second.socket.destroyed).toBe(true);
});

test('a race without a winner says why each attempt failed; one that is stopped throws the reason', async () => {
  const fails = (why: string) => () => Promise.reject(refusal(why));
  const { failures } = await race([fails('a'), fails('b')], undefined);
  expect(failures.map(({ message }) => message)).toEqual(['a', 'b']);

  const stop = new AbortController();
  const stopped = race([never, never], stop.signal);
  stop.abort(new FilerError('interrupted', 'stopped'));
  await expect(stopped).rejects.toBe(stop.signal.reason);
});

test('a race that is over has left nothing at the signal that bounds better attempts', async () => {
  const until = new AbortController();
  const detours = [() => Promise.resolve(linkOf())];
  const { better } = await race([() => Promise.reject(refusal('a'))], undefined, {
    detours,
    until: until.signal,
  });
  await better;
  await Promise.resolve();
  expect(getEventListeners(until.signal, 'abort')).toEqual([]);
});

test('better attempts that are no longer wanted when the race begins end with it', async () => {
  const { better } = await race([never], undefined, {
    detours: [() => Promise.resolve(linkOf())],
    until: AbortSignal.abort(),
  });
  expect(await better).toBeUndefined();
});
