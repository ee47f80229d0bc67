import {
  createIdentity,
  parseDirectory,
  type DirectoryPage,
  type Header,
  type Messenger,
} from '@filer/protocol';
import { createLogger, NO_EVENTS } from '@filer/program';
import { expect, test } from 'vitest';
import { freshStore } from '../support/fresh-store.ts';
import { Directory } from '../../apps/ip-server/src/network/directory.ts';
import { Enrolment } from '../../apps/ip-server/src/network/enrolment.ts';
import { LocalSessions } from '../../apps/ip-server/src/network/local-sessions.ts';
import { memberRouter } from '../../apps/ip-server/src/network/member-router.ts';
import { PeerServer } from '../../apps/ip-server/src/network/peer-server.ts';
import { Presence } from '../../apps/ip-server/src/network/presence.ts';
import { Removals } from '../../apps/ip-server/src/network/removals.ts';
import { PaperNetwork } from './members.ts';

/** A network port that is not open, and keeps what it would have broadcast. */
class Recording extends PeerServer {
  readonly pages: DirectoryPage[] = [];

  override multicast(_: Iterable<Messenger>, header: Header, content?: Uint8Array): Promise<number> {
    this.pages.push(parseDirectory({ header, content: Buffer.from(content ?? []) }));
    return Promise.resolve(0);
  }
}

test('a change of many members is broadcast one page a step, each going on where the last one ended', async () => {
  const paper = new PaperNetwork();
  const network = paper.networkKey.id;
  const store = await freshStore();
  await store.registry.addInvite(paper.invite.grant);
  const directory = await Directory.open(store.registry, 0);
  const removals = await Removals.open(network, store.registry, directory);
  const serverRecord = (): undefined => undefined;
  const identity = await createIdentity();
  const presence = new Presence(directory, 1_000);
  const { registry } = store;
  const server = new Recording({
    network,
    directory,
    removals,
    presence,
    sessions: new LocalSessions(identity.id, presence),
    witness: () => undefined,
    router: memberRouter(),
    expecting: { announce: () => Promise.resolve(), goodbye: () => undefined, forget: () => undefined },
    uploads: { serve: () => Promise.resolve() },
    enrolment: new Enrolment({ network, identity, registry, directory, removals, serverRecord }),
    events: NO_EVENTS,
    heartbeatMs: 1_000,
    software: '0.0.0-test',
    serverRecord,
    log: await createLogger({ level: 'error', format: 'text', stream: process.stderr }),
    now: () => 0,
  });
  for (let number = 0; number < 300; number++) {
    await directory.admit({ membership: paper.membership(`m-${number}`), countsUse: true, now: 1_500_000 });
  }
  await server.tick();
  expect(server.pages).toMatchObject([{ from: 1, more: true }]);

  while (server.pages.at(-1)?.more === true) {
    const before = server.pages.at(-1)?.seq;
    await server.tick();
    expect(server.pages.at(-1)?.from).toBe(before);
  }
  expect(server.pages.at(-1)?.seq).toBe(directory.seq);
  const told = server.pages.length;
  await server.tick();
  expect(server.pages.length).toBe(told);
  await store.close();
});
