import { FilerError, keyPairFromSeed, signServerList, signServerRecord } from '@filer/protocol';
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { LastServers } from '../../../apps/ip-server/src/api/admin-api.ts';
import { serverEntries } from '../../../apps/ip-server/src/api/servers.ts';
import { Directory } from '../../../apps/ip-server/src/network/directory.ts';
import { openMemoryStore } from '../../../apps/ip-server/src/store/memory/open.ts';

const networkKey = keyPairFromSeed(randomBytes(32));
const newId = (): string => keyPairFromSeed(randomBytes(32)).id;
const [HERE, OTHER, NEXT] = [newId(), newId(), newId()];

const listed = (...ids: string[]) =>
  signServerList(networkKey, { servers: ids.map((id) => ({ id, addresses: ['[::1]:1'] })), serial: 1 });
const record = signServerRecord(networkKey, { server: HERE, addresses: ['[::1]:1'], serial: 1 });
const entry = (id: string, silentMs: number | undefined) => ({
  ...{ id, addresses: [], software: '', silentMs, holdsTimers: false },
});

/** What one server says of all while its database is away, by what it knew. */
async function states(last: Partial<LastServers>): Promise<Record<string, string>> {
  const away = (): Promise<never> => Promise.reject(new FilerError('connect-failed', 'the database is away'));
  const { registry } = openMemoryStore();
  const { servers, problem } = await serverEntries({
    servers: { list: away, all: away },
    registry,
    directory: await Directory.open(registry, 0),
    founding: { server: HERE },
    reach: { addresses: [], leftOut: [] },
    network: {
      status: { running: true, version: '1' },
      lastServers: { entries: [], list: undefined, founder: undefined, record: undefined, ...last },
    },
  });
  expect(problem).toBe('the database is away');
  return Object.fromEntries(servers.map(({ id, state }) => [id, state]));
}

test('while the database is away a server knows itself, and of the others only those that had ended', async () => {
  const entries = [entry(HERE, 0), entry(OTHER, 0), entry(NEXT, undefined)];
  expect(await states({ entries, list: listed(HERE, OTHER, NEXT), record })).toEqual({
    [HERE]: 'running',
    [OTHER]: 'unknown',
    [NEXT]: 'stopped',
  });
  // One that was listed since the last beat.
  expect(await states({ entries: entries.slice(0, 1), list: listed(HERE, OTHER), record })).toEqual({
    [HERE]: 'running',
    [OTHER]: 'unknown',
  });
});

test('while the database is away a server knows whether machines come to it', async () => {
  const entries = [entry(HERE, 0), entry(OTHER, 2_000)];
  const here = async (last: Partial<LastServers>) => (await states({ entries, ...last }))[HERE];
  expect(await here({ founder: HERE, record })).toBe('running');
  expect(await here({ founder: OTHER })).toBe('waiting');
  expect(await here({ list: listed(OTHER) })).toBe('waiting');
  expect(await here({ list: listed(OTHER), record })).toBe('removed');
});
