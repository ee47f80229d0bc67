import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createKeyPair, signServerRecord } from '@filer/protocol';
import { expect, test } from 'vitest';
import { publishedAddresses } from '../../apps/filer-client/src/network/published-addresses.ts';
import { reachableAt, renewedRecord } from '../../apps/ip-server/src/network/reach.ts';
import { runHere } from '../support/in-process.ts';
import { freshFolder } from '../support/ip-server.ts';

const TEN = Array.from({ length: 10 }, (_, n) => `192.0.2.${n + 1}:10901`);

test('an invite without room for all addresses says which it leaves out, and what to do', async () => {
  const home = await freshFolder();
  await writeFile(join(home, 'config.toml'), `advertise = ${JSON.stringify(TEN)}\n`);
  const text = await runHere('ip-server', home, ['invite']);
  const json = await runHere('ip-server', home, ['invite', '--json']);
  const document = JSON.parse(json.stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;

  expect(text.code).toBe(0);
  expect(text.stdout.trim()).not.toContain('\n');
  expect(text.stderr).toContain(TEN.slice(8).join(', '));
  expect(text.stderr).toContain('--advertise');
  expect(document).toMatchObject({ addresses: TEN.slice(0, 8), leftOut: TEN.slice(8) });
});

test('what is published of a client keeps loopback where that is how the server is reached, and the rest is told', () => {
  const listening = { host: '192.0.2.1', port: 10_902, advertise: TEN };

  expect(publishedAddresses(listening, { overLoopback: true, localHost: undefined })).toEqual({
    addresses: TEN.slice(0, 8),
    leftOut: TEN.slice(8),
    unusable: [],
  });
  const { addresses } = publishedAddresses(
    { host: '::', port: 10_902, advertise: [] },
    { overLoopback: true, localHost: '127.0.0.1' },
  );
  expect(addresses.at(-1)).toBe('127.0.0.1:10902');
});

test('a server that is bound to one address is reached there, and nothing is left out', () => {
  const address = { host: '192.0.2.9', port: 10_901 };

  expect(reachableAt({ ...address, advertise: [] })).toEqual({ addresses: [address], leftOut: [] });
});

test('what no other machine can dial is named by neither program', () => {
  const good = '192.0.2.1:1';
  const advertise = ['[fe80::1]:1', '0.0.0.0:1', 'name.example:1', '192.0.2.9:0', good];
  const remote = { overLoopback: false, localHost: undefined };

  expect(publishedAddresses({ host: '::', port: 1, advertise }, remote)).toEqual({
    addresses: [good],
    leftOut: [],
    unusable: advertise.slice(0, -1),
  });
  expect(publishedAddresses({ host: 'fe80::1', port: 1, advertise: [] }, remote)).toEqual({
    addresses: [],
    leftOut: [],
    unusable: ['[fe80::1]:1'],
  });
  expect(reachableAt({ host: 'fe80::1%eth0', port: 1, advertise: [] })).toEqual({
    addresses: [],
    leftOut: [{ host: 'fe80::1%eth0', port: 1 }],
  });
});

test('a server without an address that can be dialled keeps the record that it has', () => {
  const networkKey = createKeyPair();
  const known = signServerRecord(networkKey, {
    server: networkKey.id,
    addresses: ['192.0.2.1:1'],
    serial: 1,
  });

  expect(renewedRecord(known, [], networkKey.id, networkKey, Date.now())).toBeUndefined();
});
