import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inOrder, interfaceAddresses, type InterfaceAddress, type SystemFolders } from '@filer/protocol';
import { expect, test } from 'vitest';
import { freshFolder } from '../support/ip-server.ts';

const PLAIN = { isDefaultRoute: false, isInternalBridge: false, isTemporary: false };

function on(name: string, host: string, more: Partial<InterfaceAddress> = {}): InterfaceAddress {
  return { host, interface: name, ...PLAIN, ...more };
}

test('the interface with the default route comes first, bridges to guests come last', () => {
  const bridges = Array.from({ length: 10 }, (_, n) =>
    on(`br${n}`, `172.${17 + n}.0.1`, { isInternalBridge: true }),
  );
  const wg0 = on('wg0', '10.77.0.1');
  const eth0 = on('eth0', '192.168.1.2', { isDefaultRoute: true });

  expect(inOrder([...bridges, wg0, eth0]).slice(0, 3)).toEqual(['192.168.1.2', '10.77.0.1', '172.17.0.1']);
});

test('an interface with many addresses hides no other one', () => {
  const many = Array.from({ length: 20 }, (_, n) =>
    on('eth0', `203.0.113.${n + 1}`, { isDefaultRoute: true }),
  );
  const six = Array.from({ length: 20 }, (_, n) =>
    on('eth0', `2001:db8::${n + 1}`, { isDefaultRoute: true }),
  );
  const order = inOrder([...many, ...six, on('wg0', '10.77.0.1'), on('wg0', 'fd00::1')]);

  expect(order.slice(0, 4)).toEqual(['203.0.113.1', '2001:db8::1', '10.77.0.1', 'fd00::1']);
  expect(order).toHaveLength(42);
});

test('public before private, IPv4 before IPv6; link-local and loopback never', () => {
  const hosts = ['fe80::1', '169.254.1.1', '127.0.0.1', 'fd00::1', '10.0.0.1', '2001:db8::1', '203.0.113.1'];

  expect(inOrder(hosts.map((host, n) => on(`e${n}`, host)))).toEqual([
    '203.0.113.1',
    '2001:db8::1',
    '10.0.0.1',
    'fd00::1',
  ]);
});

test('a temporary IPv6 address counts only where its interface has no other', () => {
  const both = [on('wlan0', '2001:db8::aaaa', { isTemporary: true }), on('wlan0', '2001:db8::1')];

  expect(inOrder(both)).toEqual(['2001:db8::1']);
  expect(inOrder(both.slice(0, 1))).toEqual(['2001:db8::aaaa']);
});

/** What Linux says of a machine: its files, by path below the two folders. */
async function systemOf(
  sys: readonly string[],
  proc: Readonly<Record<string, string>>,
): Promise<SystemFolders> {
  const folder = await freshFolder();
  const folders = { sys: join(folder, 'sys'), proc: join(folder, 'proc') };
  for (const path of sys) await mkdir(join(folders.sys, path), { recursive: true });
  await mkdir(folders.proc);
  for (const [name, text] of Object.entries(proc)) await writeFile(join(folders.proc, name), text);
  return folders;
}

function interfacesOf(hosts: Readonly<Record<string, string>>): Parameters<typeof interfaceAddresses>[0] {
  const common = { netmask: '', mac: '', cidr: null };
  return Object.fromEntries(
    Object.entries(hosts).map(([name, address]) => {
      const internal = name === 'lo';
      const family = address.includes(':')
        ? ({ family: 'IPv6', scopeid: 0 } as const)
        : ({ family: 'IPv4' } as const);
      return [name, [{ ...common, ...family, address, internal }]];
    }),
  );
}

test('a bridge is known by what the system says of it, not by its name, and one with a wired port is not a bridge', async () => {
  const system = await systemOf(
    [
      'lan/bridge',
      'lan/brif/eth1',
      'eth1/device',
      'pods/bridge',
      'pods/brif/veth9',
      'veth9',
      'uplink/bridge',
    ],
    {
      route:
        'Iface Destination Gateway Flags RefCnt Use Metric Mask\nuplink 00000000 0102 0003 0 0 0 00000000\nlan 0000A8C0 0 0001 0 0 0 00FFFFFF\n',
    },
  );
  const found = interfaceAddresses(
    interfacesOf({
      lo: '127.0.0.1',
      lan: '192.168.1.1',
      pods: '10.42.0.1',
      docker0: '172.17.0.1',
      uplink: '192.0.2.1',
      'br-lan': '10.0.0.1',
    }),
    system,
  );

  expect(found.filter(({ isInternalBridge }) => isInternalBridge).map((each) => each.interface)).toEqual([
    'pods',
    'docker0',
    'br-lan',
  ]);
  expect(found.filter(({ isDefaultRoute }) => isDefaultRoute).map((each) => each.interface)).toEqual([
    'uplink',
  ]);
  expect(inOrder(found).slice(0, 2)).toEqual(['192.0.2.1', '192.168.1.1']);
});

test('a default route of IPv6 and temporary addresses are read', async () => {
  const system = await systemOf([], {
    ipv6_route: `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0\n${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} ffffffff 1 0 00200200 lo\n`,
    if_inet6: `20010db800000000000000000000aaaa 02 40 00 01 eth0\n`,
  });
  const found = interfaceAddresses(interfacesOf({ eth0: '2001:db8::aaaa', wg0: 'fd00::1' }), system);

  expect(found).toEqual([
    on('eth0', '2001:db8::aaaa', { isDefaultRoute: true, isTemporary: true }),
    on('wg0', 'fd00::1'),
  ]);
});

test('a system that says nothing and files that make no sense leave the names', async () => {
  const system = await systemOf([], { route: 'x\n\n', if_inet6: '\nzz 1\n', ipv6_route: '' });
  const interfaces = interfacesOf({ en0: '192.168.1.2', bridge100: '192.168.64.1' });

  for (const folders of [system, { sys: '/nowhere', proc: '/nowhere' }])
    expect(interfaceAddresses(interfaces, folders)).toEqual([
      on('en0', '192.168.1.2'),
      on('bridge100', '192.168.64.1', { isInternalBridge: true }),
    ]);
});
