/*
 * Sends back what it receives, over TCP, until Ctrl-C:
 *
 *   node echo-tcp-server.ts [PORT] [HOST]
 */
import { describeAddress } from '@filer/protocol';
import { serve } from '@filer/sockets';

const [port = '0', host = '127.0.0.1'] = process.argv.slice(2);

const service = await serve({ transport: 'tcp', host, port: Number(port) }, async (stream) => {
  for await (const bytes of stream) await stream.write(bytes);
});
console.log(`listening on ${describeAddress(service.address)}`);
process.once('SIGINT', () => void service.close({ graceMs: 0 }));
