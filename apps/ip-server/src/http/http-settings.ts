import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { FilerError, isLoopback, messageOf } from '@filer/protocol';
import type { Home, HttpListen, HttpTls } from '@filer/program';
import type { ServerSettings } from '../settings.ts';
import { ownCertificate } from './own-certificate.ts';

/** Tried first; where it is taken, and was not asked for, any that is free. */
const DEFAULT_HTTP_PORT = 10_980;

export interface ServedAt {
  readonly listen: HttpListen;
  /** With TLS. */
  readonly certificate?: {
    /** Whether the server has made it itself: people compare its fingerprint. */
    readonly isOwn: boolean;
    /** Reads it again, or makes the own one again. @throws FilerError `configuration-invalid`, of files */
    readonly load: () => Promise<HttpTls>;
  };
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
  const isGiven = httpCert !== undefined && httpKey !== undefined;
  if (!isGiven && (isOwnMachine(httpHost) || httpProxy.length > 0)) return { listen: where };
  const load = isGiven
    ? () => pairOf(httpCert, httpKey)
    : () => ownCertificate(home, [...httpName, httpHost]);
  return { listen: { ...where, tls: await load() }, certificate: { isOwn: !isGiven, load } };
}

async function pairOf(certFile: string, keyFile: string): Promise<HttpTls> {
  const tls = { cert: await fileOf(certFile, '--http-cert'), key: await fileOf(keyFile, '--http-key') };
  checkPair(tls);
  return tls;
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
