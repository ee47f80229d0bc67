import { isMachineName, isName, nameFromHost, nearNames } from '@filer/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('a name', () => {
  test('is 1 to 32 of a-z, 0-9 and inner hyphens', () => {
    const legal = ['a', '7', 'anna', 'cam-2', 'a--b', 'x'.repeat(32)];
    const illegal = ['', '-a', 'a-', '-', 'Anna', 'a b', 'a_b', 'é', '@lab', 'a\n', 'x'.repeat(33)];
    expect([...legal, ...illegal].filter(isName)).toEqual(legal);
  });

  test('of a machine is not one that stands for the server or for everyone', () => {
    const illegal = ['ip-server', 'server', 'all', '--all', '@all', '-h', 'ALL', ''];
    expect(['anna', 'servers', 'all-1', ...illegal].filter(isMachineName)).toEqual([
      'anna',
      'servers',
      'all-1',
    ]);
  });

  test.each([
    ['anna', 'anna'],
    ['Annas-MacBook.local', 'annas-macbook'],
    ['WIN_7 (old)', 'win-7-old'],
    ['Björn', 'bjorn'],
    ['--x--', 'x'],
    ['', 'machine'],
    ['日本', 'machine'],
    [`${'a'.repeat(31)}-b`, 'a'.repeat(31)],
    ['server', 'server-1'],
    ['IP-Server.example.org', 'ip-server-1'],
    ['All', 'all-1'],
    ['server-room', 'server-room'],
  ])('is made from the host name %j', (host, name) => {
    expect(nameFromHost(host)).toBe(name);
  });

  test('made from any host name is legal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 300 }), (host) => {
        expect(isMachineName(nameFromHost(host))).toBe(true);
      }),
    );
  });

  test('that was mistyped is found again, nearest first, at most three', () => {
    const names = ['anna', 'hanna', 'bob', 'bobby', 'camera-1', 'camera-2', 'camera-3', 'camera-4'];
    expect(nearNames('ana', names)).toEqual(['anna']);
    expect(nearNames('anna', names)).toEqual(['anna', 'hanna']);
    expect(nearNames('bbo', names)).toEqual(['bob']);
    expect(nearNames('Bob', names)).toEqual(['bob', 'bobby']);
    expect(nearNames('cam', names)).toEqual(['camera-1', 'camera-2', 'camera-3']);
    expect(nearNames('zebra', names)).toEqual([]);
    expect(nearNames('x'.repeat(100_000), names)).toEqual([]);
  });
});
