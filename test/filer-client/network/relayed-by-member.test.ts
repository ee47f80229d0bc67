import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  contactMessage,
  FilerError,
  placeMessage,
  reachedMessage,
  Relay,
  type Message,
} from '@filer/protocol';
import { createLogger, resolveHome } from '@filer/program';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import { OwnRelay } from '../../../apps/filer-client/src/network/own-relay.ts';
import { peerHandler, peerRouter } from '../../../apps/filer-client/src/network/peer-router.ts';
import { relayAddressesOf, Relays } from '../../../apps/filer-client/src/network/relays.ts';
import type { KnownPeer } from '../../../apps/filer-client/src/store/directory-store.ts';
import { until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import type { Line } from '../../support/programs.ts';
import { TestMember } from '../../support/test-member.ts';

let network: NetworkHere;
let anna: ClientHere;
let ben: ClientHere;
let carol: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open({ relay: false });
  anna = await network.add('anna');
  ben = await network.add('ben');
  await network.join('carol');
  await appendFile(join(network.home('carol'), 'config.toml'), 'relay = true\n');
  carol = await (await network.start(network.home('carol'))).connected();
  await ben.sees('anna');
  await anna.sees('ben');
});

afterAll(() => network[Symbol.asyncDispose]());

const idOf = async (client: ClientHere): Promise<string> => String((await client.ask('status'))['id']);

test('a member with `relay = true` that the server can reach relays, and is named', async () => {
  const file = join(network.folder, 'a.bin');
  const content = Buffer.alloc(2_000_000, 'over carol');
  await writeFile(file, content);
  // Until all have heard that carol relays.
  const { stdout } = await until(
    () => anna.run('send', file, '--to', 'ben', '--relay-only', '--json'),
    ({ code }) => code === 0,
  );
  const done = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Line;

  expect(done).toMatchObject({ ok: true, recipients: [{ connection: 'relayed by carol' }] });
  expect(await readFile(join(network.home('ben'), 'inbox', 'anna', 'a.bin'))).toEqual(content);
  await ben.sees('anna', ({ via }) => via === 'relayed by carol');
  expect(carol.log).toContain('this machine relays for other members');
});

test('a machine that does not relay gives no place, and a server tells of no place at a stranger', async () => {
  const dora = await TestMember.join(await network.invite(), 'dora');
  await using connection = await dora.connect();
  const peer = await idOf(anna);
  const told = { peer, relay: false, token: 'x'.repeat(43) };
  const stranger = `${'B'.repeat(51)}A`;

  await expect(
    connection.session.ask(contactMessage.format({ ...told, relayAt: stranger })),
  ).rejects.toMatchObject({ code: 'refused', cause: { code: 'no-such-peer' } });
  await expect(
    connection.session.ask(contactMessage.format({ ...told, relayAt: peer })),
  ).rejects.toMatchObject({ code: 'refused', cause: { code: 'no-such-peer' } });
});

test('it relays only while the server can reach it, and publishes so', async () => {
  await network.join('emil');
  using member = await Member.open(resolveHome('filer-client', { FILER_HOME: network.home('emil') }));
  let answer: () => Promise<Message> = () => Promise.reject(new FilerError('timed-out', 'no answer'));
  const session = { ask: () => answer() };
  let logged = '';
  using relay = new OwnRelay({
    member,
    access: { current: { session } as never },
    relay: new Relay(),
    port: 10_902,
    log: await createLogger({ stream: { write: (text) => void (logged += text) } }),
  });
  const router = peerRouter(member, await createLogger({ stream: { write: () => true } }));
  relay.route(router);
  const place = async (): Promise<unknown> => {
    const { header, content } = placeMessage.format({ peer: await idOf(anna) });
    const handle = peerHandler(router, await idOf(ben));
    return handle({ header: { ...header, id: '1' }, content }, session as never);
  };
  const says = (reached: boolean) => () =>
    Promise.resolve(reachedMessage.format({ address: '192.0.2.7:10902', reached }));

  await relay.check();
  expect(relay.addresses).toEqual([]);
  answer = says(true);
  await relay.check();
  expect(relay.addresses).toEqual(['relay://192.0.2.7:10902']);
  answer = says(false);
  await relay.check();
  expect(relay.addresses).toEqual([]);
  expect(logged).toContain('does not relay');
  await expect(place()).rejects.toMatchObject({ code: 'refused' });
});

test('the nearest relay comes first, one that is not known before it, one that failed last for a while', () => {
  const known = new Relays();
  known.answered('far', 90);
  known.answered('near', 3);
  known.answered('bad', 1);
  known.failed('bad', 0);
  const order = (now: number): string[] => known.inOrder(['bad', 'far', 'near', 'new'], (path) => path, now);

  expect(order(1_000)).toEqual(['new', 'near', 'far', 'bad']);
  expect(order(3_600_000)).toEqual(['new', 'bad', 'near', 'far']);
});

test('of what a machine says where it relays, only what may be dialled is taken', () => {
  const addresses = [
    'relay://192.0.2.7:10902',
    'relay://127.0.0.1:22',
    'relay://169.254.1.1:1',
    'relay://example.org:1',
    'relay://192.0.2.7:0',
    'relay://',
    '192.0.2.8:10902',
  ];
  const peer = { record: { addresses } } as unknown as KnownPeer;
  expect(relayAddressesOf(peer, false)).toEqual([{ host: '192.0.2.7', port: 10_902 }]);
});
