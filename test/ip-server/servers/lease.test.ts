import { createLogger } from '@filer/program';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Directory } from '../../../apps/ip-server/src/network/directory.ts';
import { Presence } from '../../../apps/ip-server/src/network/presence.ts';
import { ServerGroup } from '../../../apps/ip-server/src/network/server-group.ts';
import { openMemoryStore } from '../../../apps/ip-server/src/store/memory/open.ts';
import { LEASE_MS, type Beat, type ServerStore } from '../../../apps/ip-server/src/store/server-store.ts';

test('a server whose beat the database does not answer runs no timers before its lease is over', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let answer = (): Promise<Beat> => Promise.resolve({ now: 0, holdsTimers: true });
  const entry = { id: 'A', addresses: [], software: '' };
  const store: ServerStore = {
    now: () => Promise.resolve(0),
    expectations: () => Promise.resolve([]),
    serve: () => Promise.resolve(),
    shareFiles: () => Promise.resolve(),
    enter: () => Promise.resolve(),
    beat: () => answer(),
    leave: () => Promise.resolve(),
    all: () => Promise.resolve([{ ...entry, silentMs: 0, holdsTimers: true }]),
    forget: () => Promise.resolve(false),
    list: () => Promise.resolve(undefined),
    saveList: () => Promise.resolve(false),
    admissionSeed: () => Promise.resolve(Buffer.alloc(32)),
    post: () => Promise.resolve(0),
    mailbox: () => Promise.resolve([]),
    listen: () => ({ [Symbol.asyncDispose]: () => Promise.resolve() }),
  };
  const directory = await Directory.open(openMemoryStore().registry, 0, undefined, 'A');
  const group = new ServerGroup({
    ...{ entry, store, directory, presence: new Presence(directory, 1_000) },
    ...{ onChanges: () => undefined, onMailbox: () => undefined, onList: () => Promise.resolve() },
    ...{ onTimers: () => undefined, onTime: () => undefined, onProblem: () => undefined },
    log: await createLogger({ stream: { write: () => undefined } }),
  });
  await group.open();
  expect(group.holdsTimers).toBe(true);

  // As long as beats are answered.
  await vi.advanceTimersByTimeAsync(2 * LEASE_MS);
  expect(group.holdsTimers).toBe(true);
  const held = Promise.withResolvers<Beat>();
  answer = () => held.promise;
  await vi.advanceTimersByTimeAsync(LEASE_MS - 1);
  expect(group.holdsTimers).toBe(false);
  // An answer that comes late tells of a lease that began when it was asked for.
  held.resolve({ now: 0, holdsTimers: true });
  answer = () => new Promise(() => undefined);
  await vi.advanceTimersByTimeAsync(LEASE_MS);
  expect(group.holdsTimers).toBe(false);
  await group.close();
});
