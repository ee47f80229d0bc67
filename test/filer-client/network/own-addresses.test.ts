import type { FilerError, Messenger } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { OwnAddresses } from '../../../apps/filer-client/src/network/own-addresses.ts';

/** Connections from these addresses, and which were ended. */
function connections(...from: string[]): {
  readonly all: Messenger[];
  readonly ended: (string | undefined)[];
} {
  const ended: (string | undefined)[] = [];
  const all = from.map((localAddress) => {
    const { promise: closed, resolve } = Promise.withResolvers<undefined>();
    onTestFinished(() => resolve(undefined));
    const destroy = (reason?: FilerError): void =>
      void ended.push(reason && `${localAddress} ${reason.code}`);
    return { socket: { localAddress }, closed, destroy } as unknown as Messenger;
  });
  return { all, ended };
}

test('connections from an address that this machine lost end, once it is missing twice and there is another', () => {
  let hosts = new Set(['192.0.2.7', '2001:db8::7', '10.8.0.2']);
  const own = new OwnAddresses(() => hosts);
  const { all, ended } = connections('::ffff:192.0.2.7', '2001:db8::7', '10.8.0.2', '127.0.0.1');
  for (const each of all) own.watch(each);
  own.look();
  hosts = new Set(['192.0.2.7']); // away
  own.look();
  hosts = new Set(['192.0.2.7', '2001:db8::7']); // one came back
  own.look();
  expect(ended).toEqual(['10.8.0.2 connection-closed']);
});

test('where no address is left, connections stay: the network may return as it was', () => {
  const own = new OwnAddresses(() => new Set());
  const { all, ended } = connections('192.0.2.7');
  for (const each of all) own.watch(each);
  for (let n = 0; n < 5; n++) own.look();
  expect(ended).toEqual([]);
});
