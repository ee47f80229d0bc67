/*
 * Says each name to a hello server on a connection of its own, all at once, and prints the answers:
 *
 *   node hello-client.ts PORT NAME [NAME…]
 */
import { SocketStream } from '@filer/sockets';

const [port = '', ...names] = process.argv.slice(2);

const answers = await Promise.all(
  names.map(async (name) => {
    await using stream = await SocketStream.dial({ transport: 'tcp', host: '127.0.0.1', port: Number(port) });
    await stream.write(`${name}\n`);
    return await stream.readLine();
  }),
);
for (const answer of answers) console.log(answer ?? 'refused');
