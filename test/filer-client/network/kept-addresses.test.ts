import type { HostPort } from '@filer/protocol';
import { expect, test } from 'vitest';
import { merged } from '../../../apps/filer-client/src/network/known-servers.ts';

const at = (...hosts: string[]): HostPort[] => hosts.map((host) => ({ host, port: 1 }));

test('of a server the address that answered last is dialled first, then those that are named now', () => {
  expect(merged(at('x', 'old', 'a'), at('a', 'b'))).toEqual(at('x', 'a', 'b', 'old'));
  expect(merged([], at('a', 'b'))).toEqual(at('a', 'b'));
  expect(merged(at('a'), at('b', 'a'))).toEqual(at('a', 'b'));
  const old = Array.from({ length: 16 }, (_, n) => `old-${n}`);
  expect(merged(at(...old), at('new')).slice(0, 2)).toEqual(at('old-0', 'new'));
  expect(merged(at(...old), at('new'))).toHaveLength(16);
});
