/*
 * The least that a server of this kind does: TLS 1.3 with the same keys and certificates on both sides, and nothing said. Its home is
 * the argument. Writes the port that it listens on.
 */
import { createServer } from 'node:tls';
import { loadIdentity } from '@filer/protocol';
import { ALPN, secureOptionsOf } from '../../packages/protocol/src/transport/tls-context.ts';

const identity = await loadIdentity(process.argv[2] ?? '');
if (identity === undefined) throw new Error('the server was started before');
const options = {
  ...secureOptionsOf(identity),
  ALPNProtocols: [ALPN],
  requestCert: true,
  rejectUnauthorized: false,
};
const server = createServer(options, (socket) => {
  socket.on('error', () => undefined);
  socket.resume();
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 1_024 }, () => {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('it listens on a port');
  console.log(JSON.stringify({ id: identity.id, listen: `127.0.0.1:${bound.port}` }));
});
process.on('SIGTERM', () => process.exit(0));
