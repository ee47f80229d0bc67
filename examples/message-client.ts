/*
 * Keeps connections to any number of message servers, and has a small command line (`help` lists it):
 *
 *   node message-client.ts [PORT [HOST]]
 */
import { describeEndpoint } from '@filer/protocol';
import { Client } from '@filer/sockets';
import { Names, printing, runCommands } from './message-commands.ts';

const names = new Names();
const client = new Client({
  ...printing(names),
  onConnectFailed: (endpoint) => console.log(`no connection to ${describeEndpoint(endpoint)}`),
});
const connect = (port = '', host = '127.0.0.1') =>
  client.addConnection({ transport: 'tcp', host, port: Number(port) });

const [port, host] = process.argv.slice(2);
if (port !== undefined) await connect(port, host);
await runCommands(client, names, { connect });
