import { advertiseOnLan, discoverOnLan } from '@filer/program';
import { expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';

const ID = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST';

test('a server that is advertised is found, and not after its end', async () => {
  const multicast = { interface: '127.0.0.1', bind: '0.0.0.0', port: await freePort() };
  const problems: Error[] = [];
  const about = { name: 'den', id: ID, port: 10_901, addresses: ['192.0.2.9'] };
  const advertiser = advertiseOnLan(about, (error) => problems.push(error), multicast);
  const { signal } = new AbortController();
  const isEnough = (found: readonly object[]): boolean => found.length > 0;
  const found = await discoverOnLan({ signal, listenMs: 20_000, isEnough, multicast });
  await advertiser.close();
  const after = await discoverOnLan({ signal, listenMs: 1_500, multicast });

  expect(problems).toEqual([]);
  expect(found).toEqual([
    { name: 'den ABCDEFGH', id: ID, addresses: ['127.0.0.1:10901', '192.0.2.9:10901'] },
  ]);
  expect(after).toEqual([]);
});
