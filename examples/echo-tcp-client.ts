/*
 * Sends each line of its standard input to an echo server over TCP and prints what comes back:
 *
 *   node echo-tcp-client.ts PORT [HOST]
 */
import { createInterface } from 'node:readline';
import { SocketStream } from '@filer/sockets';

const [port = '', host = '127.0.0.1'] = process.argv.slice(2);

await using stream = await SocketStream.dial({ transport: 'tcp', host, port: Number(port) });
for await (const line of createInterface({ input: process.stdin })) {
  await stream.write(`${line}\n`);
  console.log((await stream.readLine()) ?? 'the server left');
}
