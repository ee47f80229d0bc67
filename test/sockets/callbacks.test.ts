import { expect, test } from 'vitest';
import { type Endpoint, FilerError, Server } from '@filer/protocol';
import { Client } from '@filer/sockets';
import { failureOf } from '../protocol/outcome.ts';
import { TCP, until } from '../protocol/wires.ts';

const ANYWHERE: Endpoint = { transport: 'tcp', host: '127.0.0.1', port: 0 };

test('callbacks given as options are told about connections, messages, ends with how many remain, and failures', async () => {
  const notes: string[] = [];
  const server: Server = await Server.listen(ANYWHERE, {
    onConnected: () => void notes.push(`server: connected`),
    onMessage: (messenger, { header, content }) => messenger.send(header, content),
    onClosed: (_, remaining, reason) => void notes.push(`server: ${remaining} remain, ${reason?.code}`),
  });
  const client = new Client({
    onConnected: () => void notes.push('client: connected'),
    onMessage: (_, { header }) => void notes.push(`client: ${header['type']}`),
    onClosed: (_, remaining) => void notes.push(`client: ${remaining} remain`),
    onConnectFailed: (_, error) => void notes.push(error instanceof FilerError ? error.code : 'other'),
  });
  const where = TCP.towards(ANYWHERE, { address: server.addr });
  const first = await client.addConnection(where);
  await client.addConnection(where);
  await first.send({ type: 'echo' });
  await until(() => notes.length === 5);
  await client.closeClient(first);
  await until(() => notes.length === 7);
  await client.stop();
  await server.stop();
  await failureOf(new Client().addConnection(where));
  await failureOf(client.addConnection(where));
  expect(notes.toSorted()).toEqual([
    'client: 0 remain',
    'client: 1 remain',
    'client: connected',
    'client: connected',
    'client: echo',
    'connection-closed',
    'server: 0 remain, undefined',
    'server: 1 remain, undefined',
    'server: connected',
    'server: connected',
  ]);
});
