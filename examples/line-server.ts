/*
 * Takes a text line by line, and answers how many lines it had and how long that took; until Ctrl-C:
 *
 *   node line-server.ts [PORT] [HOST]
 */
import { describeAddress } from '@filer/protocol';
import { serve } from '@filer/sockets';

const [port = '0', host = '127.0.0.1'] = process.argv.slice(2);

const service = await serve({ transport: 'tcp', host, port: Number(port) }, async (stream) => {
  const began = performance.now();
  let lines = 0;
  let longest = 0;
  for await (const line of stream.lines()) {
    lines++;
    longest = Math.max(longest, line.length);
  }
  const ms = (performance.now() - began).toFixed(1);
  await stream.write(`${lines} lines, the longest of ${longest} characters, in ${ms} ms\n`);
});
console.log(`listening on ${describeAddress(service.address)}`);
process.once('SIGINT', () => void service.close({ graceMs: 0 }));
