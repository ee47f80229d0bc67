/*
 * Sends each line of its standard input to an echo server over a Unix socket and prints what comes back:
 *
 *   node echo-unix-client.ts PATH
 */
import { createInterface } from 'node:readline';
import { SocketStream } from '@filer/sockets';

const [path = 'echo.sock'] = process.argv.slice(2);

await using stream = await SocketStream.dial({ transport: 'unix', path });
for await (const line of createInterface({ input: process.stdin })) {
  await stream.write(`${line}\n`);
  console.log((await stream.readLine()) ?? 'the server left');
}
