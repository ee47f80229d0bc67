import type * as crypto from 'node:crypto';
import type * as tls from 'node:tls';

/*
 * Modules of Node that take long to load: `node:tls` 20 ms, `node:crypto` 6 ms. They are loaded when they are used, since a
 * command that asks its daemon through a socket file uses neither.
 */

export function nodeTls(): typeof tls {
  return process.getBuiltinModule('node:tls');
}

export function nodeCrypto(): typeof crypto {
  return process.getBuiltinModule('node:crypto');
}
