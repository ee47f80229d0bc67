import { createKeyPair, formatText, Session, signText, type Message, type Messenger } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { Directory } from '../../apps/ip-server/src/network/directory.ts';
import type { LiveSessions } from '../../apps/ip-server/src/network/live-sessions.ts';
import { LocalSessions } from '../../apps/ip-server/src/network/local-sessions.ts';
import { Presence } from '../../apps/ip-server/src/network/presence.ts';
import { Texts } from '../../apps/ip-server/src/network/texts.ts';
import { openMemoryStore } from '../../apps/ip-server/src/store/memory/open.ts';
import { connected } from '../transfer/two-ends.ts';
import { PaperNetwork } from './members.ts';

const paper = new PaperNetwork();
const network = paper.networkKey.id;
const server = createKeyPair();
const text = (to: string): ReturnType<typeof signText> =>
  signText(server, { network, to, time: Date.now(), text: 'hello' });

async function directoryOf(...names: string[]): Promise<{ directory: Directory; ids: string[] }> {
  const directory = await Directory.open(openMemoryStore().registry, 0);
  const memberships = names.map((name) => paper.membership(name));
  for (const membership of memberships) await directory.admit({ membership, countsUse: false, now: 0 });
  return { directory, ids: memberships.map(({ id }) => id) };
}

/** A machine's daemon connects, and answers what it is asked. */
async function connect(
  presence: Presence,
  sessions: LocalSessions,
  id: string,
  counter: number,
): Promise<Messenger> {
  const { dialler, accepter } = await connected();
  onTestFinished(() => dialler.close());
  new Session(dialler, () => ({ header: { type: 'ok' } }));
  const connection = {
    ...{ id, messenger: accepter, incarnation: `${counter}.aaaaaaaaaaaaaaaa`, isSession: true },
    ...{ subscribe: false, software: '', since: 0, sinceSteadyMs: counter },
  };
  presence.enter(connection);
  sessions.opened(connection, new Session(accepter, () => undefined));
  return accepter;
}

test('a machine is asked over the session that it has, and not over an earlier one', async () => {
  const { directory, ids } = await directoryOf('anna');
  const [anna = ''] = ids;
  const presence = new Presence(directory, 1_000);
  const sessions = new LocalSessions('SERVER', presence);
  expect(sessions.of(anna)).toBeUndefined();
  await connect(presence, sessions, anna, 1);
  const first = sessions.of(anna);
  if (first === undefined) throw new Error('anna is connected');
  const question: Message = { header: { type: 'collect' }, content: Buffer.alloc(0) };

  expect((await sessions.ask(first, question)).header).toMatchObject({ type: 'ok' });
  const second = await connect(presence, sessions, anna, 2);
  expect(sessions.of(anna)).toMatchObject({
    peer: anna,
    server: 'SERVER',
    id: expect.not.stringMatching(`^${first.id}$`),
  });
  await expect(sessions.ask(first, question)).rejects.toMatchObject({ code: 'connection-closed' });
  expect(await sessions.send([anna, 'NOBODY'], formatText(text('@all')))).toBe(1);
  second.destroy();
  expect(sessions.of(anna)).toBeUndefined();
});

test('a text reaches machines wherever they are connected', async () => {
  const { directory, ids } = await directoryOf('here', 'elsewhere', 'off');
  const reached: string[] = [];
  const live: LiveSessions = {
    of: () => undefined,
    ask: () => Promise.reject(new Error('a text is no question')),
    send: async (peers) => reached.push(...[...peers].filter((peer) => peer !== ids[2])),
  };

  expect(await new Texts(network, directory, live).hand(text('@all'))).toEqual({ reached: 2, offline: 1 });
  expect(reached).toEqual(ids.slice(0, 2));
});
