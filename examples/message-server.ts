/*
 * Takes connections and messages, and has a small command line (`help` lists it):
 *
 *   node message-server.ts [PORT] [HOST]
 */
import { describeAddress, Server } from '@filer/protocol';
import { Names, printing, runCommands } from './message-commands.ts';

const [port = '0', host = '127.0.0.1'] = process.argv.slice(2);

const names = new Names();
const server = await Server.listen({ transport: 'tcp', host, port: Number(port) }, printing(names));
console.log(`listening on ${describeAddress(server.addr)}`);
await runCommands(server, names);
