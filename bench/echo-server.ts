/*
 * An echo server for echo.ts to measure, in a process of its own; prints its port.
 *
 *   node bench/echo-server.ts filer|net
 */
import { createServer, type AddressInfo } from 'node:net';
import { serve } from '@filer/sockets';

if (process.argv[2] === 'filer') {
  const service = await serve({ transport: 'tcp', host: '127.0.0.1', port: 0 }, async (stream) => {
    for await (const bytes of stream) await stream.write(bytes);
  });
  if ('port' in service.address) console.log(service.address.port);
} else {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      if (!socket.write(bytes)) socket.pause();
    });
    socket.on('drain', () => socket.resume());
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => {
    console.log((server.address() as AddressInfo).port);
  });
}
