/*
 * Sends each datagram back to where it came from, until Ctrl-C:
 *
 *   node echo-udp-server.ts [PORT] [HOST]
 */
import { describeAddress } from '@filer/protocol';
import { serveDatagrams } from '@filer/sockets';

const [port = '0', host = '127.0.0.1'] = process.argv.slice(2);

const service = await serveDatagrams({ transport: 'udp', host, port: Number(port) }, (datagram) =>
  datagram.reply(datagram.bytes),
);
console.log(`listening on ${describeAddress(service.address)}`);
process.once('SIGINT', () => void service.close());
