/*
 * Sends each line of its standard input to an echo server in a datagram and prints what comes back. A datagram may
 * be lost: it is waited for a second, three times.
 *
 *   node echo-udp-client.ts PORT [HOST]
 */
import { createInterface } from 'node:readline';
import { dialDatagrams } from '@filer/sockets';

const [port = '', host = '127.0.0.1'] = process.argv.slice(2);

await using link = await dialDatagrams({ transport: 'udp', host, port: Number(port) });
for await (const line of createInterface({ input: process.stdin })) console.log(await ask(line));

async function ask(line: string, attempts = 3): Promise<string> {
  await link.send(line);
  try {
    return (await link.receive({ timeoutMs: 1_000 })).toString();
  } catch (error) {
    if (attempts === 1) throw error;
    return ask(line, attempts - 1);
  }
}
