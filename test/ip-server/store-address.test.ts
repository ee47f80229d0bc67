import { expect, test } from 'vitest';
import { parsePostgresAddress, parseStoreAddress } from '../../apps/ip-server/src/store-address.ts';
import { freshFolder } from '../support/ip-server.ts';
import { runHere } from '../support/in-process.ts';

test('an address names a user, hosts and a database; TLS is asked for beyond this machine', () => {
  const near = { tls: 'disable', rootCertificates: undefined };
  expect(parsePostgresAddress('postgres://anna@db.example/filer')).toEqual({
    ...{ user: 'anna', database: 'filer', hosts: [{ host: 'db.example', port: 5432 }] },
    ...{ tls: 'require', rootCertificates: undefined },
  });
  expect(parsePostgresAddress('postgresql://a%40b@[::1]:5433,127.0.0.1/f%20x')).toEqual({
    ...{ user: 'a@b', database: 'f x', ...near },
    hosts: [
      { host: '::1', port: 5433 },
      { host: '127.0.0.1', port: 5432 },
    ],
  });
  expect(parsePostgresAddress('postgres://anna@/filer?host=/run/postgresql')).toMatchObject({
    ...{ hosts: [{ host: '/run/postgresql' }], ...near },
  });
  expect(parsePostgresAddress('postgres://a@h/f?sslmode=verify-full&sslrootcert=/etc/ca.pem')).toMatchObject({
    tls: 'verify-full',
    rootCertificates: '/etc/ca.pem',
  });
  expect(parseStoreAddress('sqlite')).toBe('sqlite');
});

test.each([
  ...[
    'postgres://anna:geheim@h/f',
    'postgres://anna:@h/f',
    'postgres://h/f',
    'postgres://anna@h',
    'mysql://a@h/f',
  ],
  ...['postgres://a@h:0/f', 'postgres://a@h:99999/f', 'postgres://a@/f', 'postgres://a@h/f?password=x', ''],
  ...[
    'postgres://a@h/f?sslmode=prefer',
    'postgres://a@h,/f',
    'postgres://a@h/f/g',
    'postgres://a@h/f#x',
    'SQLITE',
  ],
])('%s is no address of a store', (text) => {
  expect(() => parseStoreAddress(text)).toThrow(Error);
});

test('a password in the address is refused wherever it stands, and not repeated', async () => {
  const home = await freshFolder();
  const address = 'postgres://anna:geheim@db.example/filer';
  const flag = await runHere('ip-server', home, ['start', '--store', address]);
  const variable = await runHere('ip-server', home, ['status'], '', false, { IP_SERVER_STORE: address });

  expect([flag.code, variable.code]).toEqual([2, 1]);
  expect(flag.stderr).toContain('PGPASSFILE');
  expect(flag.stderr + flag.stdout + variable.stderr).not.toContain('geheim');
});
