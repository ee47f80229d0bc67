import { isIP } from 'node:net';
import {
  FilerError,
  formatAddress,
  formatHostPort,
  isDialable,
  isLoopback,
  machineAddresses,
  parseAddress,
  parseHostPort,
  tcpAddressesOf,
} from '@filer/protocol';
import { describe, expect, test } from 'vitest';

describe('an address of a record', () => {
  test.each([
    ['192.0.2.7:10901', { scheme: 'tcp', rest: '192.0.2.7:10901' }],
    ['[2001:db8::1]:1', { scheme: 'tcp', rest: '[2001:db8::1]:1' }],
    ['relay://relay.example:443/id', { scheme: 'relay', rest: 'relay.example:443/id' }],
    ['unix:///run/filer', { scheme: 'unix', rest: '/run/filer' }],
  ])('is read from %s and written the same', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
    expect(formatAddress(address)).toBe(text);
  });

  test('of TCP is the same with its scheme', () => {
    expect(formatAddress(parseAddress('TCP://192.0.2.7:1'))).toBe('192.0.2.7:1');
    expect(tcpAddressesOf(['tcp://192.0.2.7:1'])).toEqual([{ host: '192.0.2.7', port: 1 }]);
  });
});

describe('an address', () => {
  test.each([
    ['192.0.2.7:10901', '192.0.2.7', 10_901],
    ['[2001:db8::1]:1', '2001:db8::1', 1],
    ['[::]:0', '::', 0],
    ['server.example:65535', 'server.example', 65_535],
    ['my_host-1:80', 'my_host-1', 80],
    ['localhost:80', 'localhost', 80],
  ])('is read from %s and written the same', (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
    expect(formatHostPort({ host, port })).toBe(text);
  });

  test.each([
    '',
    ':1',
    'host',
    'host:',
    'host:65536',
    'host:01',
    'host:-1',
    'host:0x10',
    'host: 1',
    'host:1 ',
    '::1:1',
    '[::1]',
    '[::1%eth0]:1',
    '[192.0.2.1]:1',
    '[zz]:1',
    '127.1:1',
    '2130706433:1',
    '0x7f000001:1',
    '256.0.0.1:1',
    '-a:1',
    'a..b:1',
    'a/b:1',
    'user@host:1',
    'hôst:1',
    'host:1\n',
    `${'a'.repeat(64)}:1`,
    `${'a.'.repeat(127)}abc:1`,
  ])('is not read from %j, and the error shows a right one', (text) => {
    expect(() => parseHostPort(text)).toThrow(FilerError);
    expect(() => parseHostPort(text)).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(() => parseHostPort(text)).toThrow('192.0.2.7:10901');
  });

  test.each(['192.0.2.7', '10.0.0.1', '127.0.0.1', '2001:db8::1', 'fd00::1', '::1'])(
    '%s may be dialled',
    (host) => {
      expect(isDialable(host)).toBe(true);
    },
  );

  test.each([
    '0.0.0.0',
    '0.1.2.3',
    '169.254.169.254',
    '224.0.0.251',
    '239.1.1.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'fec0::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'localhost',
    'server.example',
    '127.1',
    '0x7f.0.0.1',
    '017.0.0.1',
    '',
  ])('%j is never dialled', (host) => {
    expect(isDialable(host)).toBe(false);
  });

  test('is loopback in every way that it is written, and not when it is a name or another machine', () => {
    const loopback = ['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'];
    const others = ['192.0.2.7', '::2', '::', '::ffff:10.0.0.1', 'localhost', ''];
    expect([...loopback, ...others].filter(isLoopback)).toEqual(loopback);
  });

  test('of this machine is a literal that others may dial, and no loopback', () => {
    for (const text of machineAddresses(10_902)) {
      const { host, port } = parseHostPort(text);
      expect([isIP(host) > 0, isDialable(host), isLoopback(host), port]).toEqual([true, true, false, 10_902]);
    }
  });
});
