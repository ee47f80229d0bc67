import {
  createIdentity,
  dial,
  FilerError,
  formatHostPort,
  isLoopback,
  parseHostPort,
  type HostPort,
  type Identity,
} from '@filer/protocol';
import { failed, failedBy, ok, skipped, warning, type Check } from '@filer/program';
import type { StatusDocument } from '../api/contract/server.ts';

const DIAL_MS = 5_000;

/** Whether the ports of a running server answer, and whether the addresses in its invites lead to it. */
export async function* checkPorts(
  { id, listen, http, addresses }: Pick<StatusDocument, 'id' | 'listen' | 'http' | 'addresses'>,
  signal: AbortSignal,
): AsyncGenerator<Check, void, void> {
  if (listen === null) return;
  const identity = await createIdentity();
  yield await checkPort(identity, id, reachedAt(parseHostPort(listen)), signal);
  yield http === null
    ? skipped('http', 'no dashboard is served (http-port = "off")')
    : await checkHttp(http, signal);
  for (const address of addresses) yield await checkAddress(identity, id, address, signal);
}

async function checkPort(
  identity: Identity,
  expect: string,
  address: HostPort,
  signal: AbortSignal,
): Promise<Check> {
  const facts = { address: formatHostPort(address) };
  try {
    const ms = await answers(identity, expect, address, signal);
    return ok('port', `${facts.address} answers with the id of this server in ${ms} ms`, facts);
  } catch (error) {
    signal.throwIfAborted();
    return {
      ...failedBy('port', error, 'look at its log, and restart it: `ip-server stop`, `ip-server start`'),
    };
  }
}

async function checkHttp(url: string, signal: AbortSignal): Promise<Check> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const address = reachedAt({ host, port: Number(port === '' ? '443' : port) });
  try {
    const { socket } = await dial({ transport: 'tcp', ...address }, { signal, timeoutMs: DIAL_MS });
    socket.destroy();
    return ok('http', `the dashboard listens at ${url}`, { url });
  } catch (error) {
    signal.throwIfAborted();
    return failedBy(
      'http',
      error,
      'restart the server, or name another port: `ip-server start --http-port PORT`',
    );
  }
}

/** One of the addresses in invites. From here it may not lead back through a router, while it does from outside. */
async function checkAddress(
  identity: Identity,
  expect: string,
  address: string,
  signal: AbortSignal,
): Promise<Check> {
  const facts = { address };
  const { host, port } = parseHostPort(address);
  if (isLoopback(host))
    return warning(
      'address',
      `invites name ${address}, which only this machine can reach`,
      '`ip-server start --advertise HOST:PORT` with an address that machines reach',
      facts,
    );
  try {
    await answers(identity, expect, { host, port }, signal);
    return ok('address', `${address}, which invites name, leads to this server`, facts);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FilerError)) throw error;
    const remedy = 'correct `--advertise HOST:PORT`, the name in the DNS, or the port forwarding';
    if (error.code === 'identity-mismatch')
      return failed('address', `${address}, which invites name, leads to another server`, remedy, facts);
    return warning(
      'address',
      `${address}, which invites name, does not answer from here (${error.message})`,
      `try it from another machine: \`nc -vz ${host} ${port}\`; if it fails there, too: ${remedy}`,
      facts,
    );
  }
}

/** @returns how long it took, in ms @throws FilerError why not */
async function answers(
  identity: Identity,
  expect: string,
  address: HostPort,
  signal: AbortSignal,
): Promise<number> {
  const began = performance.now();
  const { socket } = await dial(
    { transport: 'tls', ...address, identity, expect },
    { signal, timeoutMs: DIAL_MS },
  );
  socket.destroy();
  return Math.round(performance.now() - began);
}

/** Where what is bound to all addresses is reached from here. */
function reachedAt({ host, port }: HostPort): HostPort {
  if (host === '::') return { host: '::1', port };
  return { host: host === '0.0.0.0' ? '127.0.0.1' : host, port };
}
