import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { FilerError, isLoopback, messageOf } from '@filer/protocol';
import type { Home, HttpListen } from '@filer/program';
import type { ServerSettings } from '../settings.ts';
import { ownCertificate } from './own-certificate.ts';

/** Tried first; where it is taken, and was not asked for, any that is free. */
const DEFAULT_HTTP_PORT = 10_980;

export interface ServedAt {
  readonly listen: HttpListen;
  /** SHA-256 of the certificate that the server has made itself, for people to compare. */
  readonly fingerprint: string | undefined;
}

/**
 * Where and how to serve HTTP: in the clear on this machine and behind a stated proxy, else with TLS.
 *
 * @returns undefined with `--http-port off` @throws FilerError `usage`, of files
 */
export async function httpListen(settings: ServerSettings, home: Home): Promise<ServedAt | undefined> {
  const { httpHost, httpPort, httpName, httpCert, httpKey, httpProxy } = settings;
  if (httpPort === 'off') return undefined;
  if ((httpCert === undefined) !== (httpKey === undefined))
    throw new FilerError('usage', '--http-cert and --http-key belong together: give both, or neither');
  const where = {
    host: httpHost,
    port: httpPort ?? DEFAULT_HTTP_PORT,
    names: httpName,
    proxies: httpProxy,
  };
  if (httpCert !== undefined && httpKey !== undefined) {
    const tls = { cert: await fileOf(httpCert, '--http-cert'), key: await fileOf(httpKey, '--http-key') };
    checkPair(tls);
    return { listen: { ...where, tls }, fingerprint: undefined };
  }
  if (isOwnMachine(httpHost) || httpProxy.length > 0) return { listen: where, fingerprint: undefined };
  const { fingerprint, ...tls } = await ownCertificate(home, [...httpName, httpHost]);
  return { listen: { ...where, tls }, fingerprint };
}

function isOwnMachine(host: string): boolean {
  return host === 'localhost' || isLoopback(host);
}

/** @throws FilerError `configuration-invalid` */
function checkPair(pair: { readonly cert: string; readonly key: string }): void {
  try {
    createSecureContext(pair);
  } catch (error) {
    throw new FilerError(
      'configuration-invalid',
      `--http-cert and --http-key are not a certificate and its key, both PEM (${messageOf(error)})`,
      { cause: error },
    );
  }
}

async function fileOf(file: string, flag: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new FilerError('path-unreadable', `${flag} ${file}: ${messageOf(error)}`, { cause: error });
  }
}
