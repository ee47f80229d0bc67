import {
  createKeyPair,
  MAX_DIRECTORY_PAGE_BYTES,
  parseDirectory,
  signRemoval,
  type DirectoryPage,
  type PresenceState,
} from '@filer/protocol';
import { describe, expect, test } from 'vitest';
import { freshStore } from '../support/fresh-store.ts';
import { Directory } from '../../apps/ip-server/src/network/directory.ts';
import type { Registry } from '../../apps/ip-server/src/store/registry.ts';
import { PaperNetwork } from './members.ts';

async function freshRegistry(network: PaperNetwork): Promise<Registry> {
  const store = await freshStore();
  await store.registry.addInvite(network.invite.grant);
  return store.registry;
}

/** Everything that a client reads that begins at a position. */
function pull(directory: Directory, position: number): DirectoryPage[] {
  const pages: DirectoryPage[] = [];
  for (let from = position; ;) {
    const { message, seq, more } = directory.page(from, 0);
    expect(message.content.length).toBeLessThanOrEqual(MAX_DIRECTORY_PAGE_BYTES);
    pages.push(parseDirectory(message));
    if (!more) return pages;
    from = seq;
  }
}

/** What a client knows after it read pages in order: name and state by handle. */
function fold(pages: readonly DirectoryPage[]): Map<number, { name: string; state?: PresenceState }> {
  const known = new Map<number, { name: string; state?: PresenceState }>();
  for (const entry of pages.flatMap((page) => page.entries)) {
    const { handle } = entry;
    if (entry.kind === 'member') known.set(handle, { ...known.get(handle), name: entry.membership.name });
    const member = known.get(handle);
    if (member === undefined) throw new Error(`handle ${handle} came before its member`);
    if (entry.kind === 'presence') member.state = entry.state;
  }
  return known;
}

describe('the directory in pages', () => {
  test('300 members are read in several pages, each of at most 256 KiB, and again after a restart', async () => {
    const network = new PaperNetwork();
    const registry = await freshRegistry(network);
    const directory = await Directory.open(registry, 0);
    for (let number = 0; number < 300; number++) {
      await directory.admit({
        membership: network.membership(`m-${number}`),
        countsUse: true,
        now: 1_500_000,
      });
    }
    const pages = pull(directory, 0);

    expect(pages.length).toBeGreaterThan(1);
    expect(fold(pages).size).toBe(300);
    expect(pages.at(-1)?.seq).toBe(directory.seq);
    const again = await Directory.open(registry, 0);
    expect(again.seq).toBe(directory.seq + 1);
    expect(fold(pull(again, 0))).toEqual(fold(pages));
  });

  test('a position that was told and then lost is never given again', async () => {
    const network = new PaperNetwork();
    const registry = await freshRegistry(network);
    const lost = await Directory.open(registry, 1_000);
    expect(lost.seq).toBe(1_000);
    const membership = network.membership('anna');
    await lost.admit({ membership, countsUse: true, now: 1_500_000 });
    expect(lost.seq).toBe(1_001);

    expect((await Directory.open(registry, 2_000)).seq).toBe(2_000);
    expect((await Directory.open(registry, 0)).seq).toBe(1_002);
  });

  test('a client that reads from any earlier position ends with what the others know', async () => {
    const network = new PaperNetwork();
    const directory = await Directory.open(await freshRegistry(network), 0);
    const peers = Array.from({ length: 5 }, () => createKeyPair());
    for (const [index, peer] of peers.entries()) {
      const membership = network.membership(`m-${index}`, peer);
      await directory.admit({ membership, countsUse: true, now: 1_500_000 });
    }
    const [first, second, third] = peers.map((peer) => peer.id);
    const early = pull(directory, 0);
    const position = directory.seq;
    directory.see(first ?? '', 'online', 2);
    directory.see(second ?? '', 'online', 2);
    await directory.flush();
    directory.see(first ?? '', 'stopped', 3);
    await directory.flush();
    const renamed = network.membership('renamed', peers[0], 2);
    await directory.amend(renamed);
    await directory.remove(signRemoval(network.networkKey, { number: 1, id: third ?? '', removedAt: 4 }));
    const whole = fold(pull(directory, 0));

    expect(fold([...early, ...pull(directory, position)])).toEqual(whole);
    expect([...whole].toSorted(([a], [b]) => a - b).map(([, member]) => member)).toEqual([
      { name: 'renamed', state: 'stopped' },
      { name: 'm-1', state: 'online' },
      { name: 'm-2', state: 'gone' },
      { name: 'm-3', state: 'lost' },
      { name: 'm-4', state: 'lost' },
    ]);
  });

  test('a state that changed and changed back within a step is told once', async () => {
    const network = new PaperNetwork();
    const directory = await Directory.open(await freshRegistry(network), 0);
    const membership = network.membership('anna');
    await directory.admit({ membership, countsUse: true, now: 1_500_000 });
    const before = directory.seq;
    for (const state of ['online', 'lost', 'online'] as const) directory.see(membership.id, state, 9);
    await directory.flush();

    expect(directory.seq).toBe(before + 1);
    expect(pull(directory, before).flatMap((page) => page.entries)).toEqual([
      { kind: 'presence', handle: 1, state: 'online', lastSeen: 9 },
    ]);
  });
});
