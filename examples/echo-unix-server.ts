/*
 * Sends back what it receives, over a Unix socket, until Ctrl-C; then the socket's file is gone:
 *
 *   node echo-unix-server.ts PATH
 */
import { describeAddress } from '@filer/protocol';
import { serve } from '@filer/sockets';

const [path = 'echo.sock'] = process.argv.slice(2);

const service = await serve({ transport: 'unix', path }, async (stream) => {
  for await (const bytes of stream) await stream.write(bytes);
});
console.log(`listening on ${describeAddress(service.address)}`);
process.once('SIGINT', () => void service.close({ graceMs: 0 }));
