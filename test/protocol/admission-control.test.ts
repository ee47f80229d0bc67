import { duplexPair, type Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { MAX_CONNECTIONS } from '@filer/protocol';
import {
  AdmissionControl,
  connectionsWithin,
} from '../../packages/protocol/src/transport/admission-control.ts';

/** A connection, and at most that. */
function open(): Duplex {
  return duplexPair()[0];
}

/** So many connections of one address, in order. */
function many(count: number, address: string, admission: AdmissionControl): Duplex[] {
  const sockets = Array.from({ length: count }, open);
  for (const socket of sockets) expect(admission.enter(socket, address)).toBe(true);
  return sockets;
}

test('of one address 32 wait, and a newcomer takes the place of the one whose last step is longest ago', () => {
  const refused: string[] = [];
  const admission = new AdmissionControl({ onRefused: (address) => refused.push(address) });
  const [talking, ...silent] = many(32, '198.51.100.7', admission);
  if (talking !== undefined) admission.step(talking, false);
  expect(admission.enter(open(), '198.51.100.8')).toBe(true);
  expect(refused).toEqual([]);

  expect(admission.enter(open(), '198.51.100.7')).toBe(true);
  expect([talking, ...silent].filter((socket) => socket?.destroyed)).toEqual([silent[0]]);
  expect(refused).toEqual(['198.51.100.7']);
  admission.close();
});

test('one that waits for this program gives way only when no other waits', () => {
  const admission = new AdmissionControl({ maxUnauthenticatedPerAddress: 3 });
  const [first, second, third] = many(3, '198.51.100.7', admission);
  if (first !== undefined) admission.step(first, true);
  if (second !== undefined) admission.step(second, true);
  expect(admission.enter(open(), '198.51.100.7')).toBe(true);
  expect([first, second, third].map((socket) => socket?.destroyed)).toEqual([false, false, true]);
  admission.close();
});

test('one that was admitted is no longer counted', () => {
  const admission = new AdmissionControl({ maxUnauthenticatedPerAddress: 2 });
  const [first, second] = many(2, '198.51.100.7', admission);
  if (first !== undefined) admission.admit(first);
  expect(admission.enter(open(), '198.51.100.7')).toBe(true);
  expect([first?.destroyed, second?.destroyed]).toEqual([false, false]);
  admission.close();
});

test('an address from which a member came may have half of all places: a site of many machines may be behind it', () => {
  const admission = new AdmissionControl({ maxUnauthenticated: 16, maxUnauthenticatedPerAddress: 2 });
  const [member] = many(1, '198.51.100.7', admission);
  if (member !== undefined) admission.admit(member);
  const site = many(8, '198.51.100.7', admission);
  expect(site.some(({ destroyed }) => destroyed)).toBe(false);
  expect(admission.enter(open(), '198.51.100.7')).toBe(true);

  expect(site.filter(({ destroyed }) => destroyed)).toEqual([site[0]]);
  admission.close();
});

test('when all places are taken, the address that has most of them gives one to a newcomer', () => {
  const admission = new AdmissionControl({ maxUnauthenticated: 16 });
  const few = many(2, '198.51.100.7', admission);
  const flood = many(10, '203.0.113.9', admission);
  expect(admission.enter(open(), '198.51.100.8')).toBe(true);

  expect(few.some(({ destroyed }) => destroyed)).toBe(false);
  expect(flood.filter(({ destroyed }) => destroyed)).toEqual([flood[0]]);
  admission.close();
});

test('an address from which a member came keeps its places, and finds one, under a flood from others', () => {
  const admission = new AdmissionControl({ maxUnauthenticated: 16 });
  const [member] = many(1, '198.51.100.7', admission);
  if (member !== undefined) admission.admit(member);
  const known = many(4, '198.51.100.7', admission);
  for (let n = 0; n < 100; n++) admission.enter(open(), `203.0.113.${n}`);
  expect(known.some(({ destroyed }) => destroyed)).toBe(false);
  expect(admission.enter(open(), '198.51.100.7')).toBe(true);

  expect(known.some(({ destroyed }) => destroyed)).toBe(false);
  admission.close();
});

test('strangers find no place where members hold all of them', () => {
  const admission = new AdmissionControl({ maxUnauthenticated: 4, maxUnauthenticatedPerAddress: 9 });
  const [member] = many(1, '198.51.100.7', admission);
  if (member !== undefined) admission.admit(member);
  const known = many(4, '198.51.100.7', admission);
  const stranger = open();
  admission.enter(stranger, '203.0.113.1');

  expect(known.some(({ destroyed }) => destroyed)).toBe(false);
  admission.close();
});

test.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])(
  'the bound of one address does not hold for %s, which is loopback',
  (address) => {
    const admission = new AdmissionControl({ maxUnauthenticatedPerAddress: 1 });
    const sockets = many(2, address, admission);
    expect(sockets.some(({ destroyed }) => destroyed)).toBe(false);
    admission.close();
  },
);

test.each([
  ['::ffff:198.51.100.7', '198.51.100.7'],
  ['2001:db8:0:1::1', '2001:db8:0:1:ffff:2:3:4'],
  ['fe80::1%eth0', 'fe80::2%eth1'],
  ['2001:db8::1', '2001:db8:0:0:2::1'],
])('%s and %s count as one address', (one, other) => {
  const admission = new AdmissionControl({ maxUnauthenticatedPerAddress: 1 });
  const [first] = many(1, one, admission);
  many(1, other, admission);
  expect(first?.destroyed).toBe(true);
  admission.close();
});

test('neighbouring IPv6 networks of 64 bits are two addresses', () => {
  const admission = new AdmissionControl({ maxUnauthenticatedPerAddress: 1 });
  const [first] = many(1, '2001:db8:0:1::1', admission);
  many(1, '2001:db8:0:2::1', admission);
  expect(first?.destroyed).toBe(false);
  admission.close();
});

test('a connection that ends gives its place back', () => {
  const admission = new AdmissionControl({ maxUnauthenticatedPerAddress: 2 });
  const [first, second] = many(2, '198.51.100.7', admission);
  first?.emit('close');
  many(1, '198.51.100.7', admission);
  expect(second?.destroyed).toBe(false);
  admission.close();
});

test('connections leave a part of the descriptors to files, and never more than 1,000', () => {
  expect(connectionsWithin(100)).toBe(80);
  expect(connectionsWithin(1_024)).toBe(819);
  expect(connectionsWithin(20_000)).toBe(19_000);
  expect(connectionsWithin(1_000_000)).toBe(MAX_CONNECTIONS);
});
