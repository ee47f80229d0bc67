import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { serversIn } from '../../packages/program/src/lan/discover.ts';

const ID = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST';
const INSTANCE = 'den ABCDEFGH._filer._tcp.local';
const PTR = { name: '_filer._tcp.local', type: 'PTR', ttl: 120, data: INSTANCE };
const SRV = { name: INSTANCE, type: 'SRV', ttl: 120, data: { port: 10_901, target: 'den.local' } };
const TXT = { name: INSTANCE, type: 'TXT', ttl: 120, data: [Buffer.from('v=1'), Buffer.from(`id=${ID}`)] };
const A = { name: 'den.local', type: 'A', ttl: 120, data: '192.0.2.9' };
const packet = (...additionals: unknown[]) => ({ answers: [PTR], additionals });

test('a server is found with its name, its id and its addresses, that of the answer first', () => {
  expect(serversIn(packet(SRV, TXT, A), '192.0.2.7')).toEqual([
    { name: 'den ABCDEFGH', id: ID, addresses: ['192.0.2.7:10901', '192.0.2.9:10901'] },
  ]);
});

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['no packet', 'answers'],
  ['no lists', { answers: 7, additionals: null }],
  ['records that are none', { answers: [null, 7, 'PTR', []] }],
  ['no service', packet()],
  ['no id', packet(SRV)],
  ['an id that is none', packet(SRV, { ...TXT, data: [Buffer.from('id=../../etc')] })],
  ['an id that is no text', packet(SRV, { ...TXT, data: [7] })],
  ['a port that is none', packet({ ...SRV, data: { port: 0, target: 'den.local' } }, TXT)],
  ['a port that is too high', packet({ ...SRV, data: { port: 65_536, target: 'den.local' } }, TXT)],
  ['a port that is a text', packet({ ...SRV, data: { port: '10901', target: 'den.local' } }, TXT)],
  ['no data', packet({ ...SRV, data: undefined }, TXT)],
  ['another service', { answers: [{ ...PTR, name: '_ssh._tcp.local' }], additionals: [SRV, TXT] }],
  [
    'a name of another service',
    { answers: [{ ...PTR, data: 'x._ssh._tcp.local' }], additionals: [SRV, TXT] },
  ],
  ['a goodbye', { answers: [{ ...PTR, ttl: 0 }], additionals: [SRV, TXT] }],
])('%s is passed over', (_, hostile) => {
  expect(serversIn(hostile, '192.0.2.7')).toEqual([]);
});

test('addresses that are not dialled are left out, and so is a server that has no other', () => {
  const hosts = [
    '127.0.0.1',
    '169.254.169.254',
    '224.0.0.1',
    '::1',
    'fe80::1',
    '::ffff:10.0.0.1',
    'ops.example',
    7,
  ];
  const records = hosts.map((data) => ({ ...A, data }));

  expect(serversIn(packet(SRV, TXT, ...records), '192.0.2.7')).toMatchObject([
    { addresses: ['192.0.2.7:10901'] },
  ]);
  expect(serversIn(packet(SRV, TXT, ...records), 'fe80::2%eth0')).toEqual([]);
});

test('a packet with thousands of records costs little and gives few addresses', () => {
  const many = Array.from({ length: 5_000 }, (_, n) => ({ ...A, data: `10.0.${n >> 8}.${n & 255}` }));

  expect(serversIn(packet(SRV, TXT, ...many), '192.0.2.7')[0]?.addresses).toHaveLength(8);
});

test('any value in the place of any field is passed over', () => {
  const values = [null, undefined, 7, '', [], {}, Buffer.alloc(3), Symbol.iterator, 'x'.repeat(1e5)];
  for (let n = 0; n < 2_000; n++) {
    const records = [PTR, SRV, TXT, A].map((record) => {
      const key = Object.keys(record)[randomInt(4)] ?? '';
      return { ...record, [key]: values[randomInt(values.length)] };
    });
    const found = serversIn({ answers: records, additionals: records }, '192.0.2.7');
    for (const { id, addresses } of found) expect([id, addresses.length > 0]).toEqual([ID, true]);
  }
});
