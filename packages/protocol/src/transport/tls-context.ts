import type { SecureContext, SecureContextOptions, TLSSocket } from 'node:tls';
import { FilerError } from '../errors.ts';
import { nodeCrypto, nodeTls } from '../loaded-late.ts';
import { idOfCertificate, type Identity } from '../trust/identity.ts';

/** The application protocol (RFC 7301). It stays for all that is compatible. */
export const ALPN = 'filer/1';

// AES-128-GCM first: the fastest of the three in Node, and no weaker here.
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

/** TLS 1.3 only, our own certificate, no session tickets: a ticket would be a bearer identity. */
export function secureOptionsOf(identity: Identity): SecureContextOptions {
  return {
    key: identity.keyPem,
    cert: identity.certPem,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    secureOptions: nodeCrypto().constants.SSL_OP_NO_TICKET,
  };
}

const contexts = new WeakMap<Identity, SecureContext>();

/** The same as a context, made once an identity: a dialler with many peers parses its key once. */
export function secureContextOf(identity: Identity): SecureContext {
  let context = contexts.get(identity);
  if (context === undefined) {
    context = nodeTls().createSecureContext(secureOptionsOf(identity));
    contexts.set(identity, context);
  }
  return context;
}

/**
 * The id that the other side proved in the handshake. Nothing is decided by `authorized`: the certificates are
 * self-signed, the key is what counts.
 *
 * @throws FilerError `verification-failed` without a certificate, after a resumption (no certificate was shown),
 *   or without our ALPN (Node lets such a client in)
 */
export function provenId(socket: TLSSocket): string {
  if (socket.isSessionReused())
    throw new FilerError('verification-failed', 'a resumed TLS session proves no identity');
  if (socket.alpnProtocol !== ALPN)
    throw new FilerError('verification-failed', `the other side does not speak ${ALPN}`);
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined)
    throw new FilerError('verification-failed', 'the other side showed no certificate');
  return idOfCertificate(certificate);
}
