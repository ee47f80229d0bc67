/*
 * Sends a text file to a line server and times the whole:
 *
 *   node line-client.ts FILE PORT [HOST]
 */
import { SocketStream } from '@filer/sockets';

const [file = '', port = '', host = '127.0.0.1'] = process.argv.slice(2);

const began = performance.now();
await using stream = await SocketStream.dial({ transport: 'tcp', host, port: Number(port) });
const bytes = await stream.sendFile(file);
await stream.end();
console.log(`the server: ${await stream.readLine()}`);
console.log(`${bytes} bytes sent and counted in ${(performance.now() - began).toFixed(1)} ms`);
