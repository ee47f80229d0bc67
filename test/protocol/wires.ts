import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import {
  Messenger,
  createIdentity,
  dial,
  listen,
  type AcceptedLink,
  type Endpoint,
  type Listener,
  type Message,
  type MessengerOptions,
} from '@filer/protocol';

/** One transport, as the conformance suite sees it. */
export interface Wire {
  readonly name: string;
  /** A free place to listen at. */
  place(): Promise<Endpoint>;
  /** How to dial what listens there. */
  towards(place: Endpoint, listener: Pick<Listener, 'address'>): Endpoint;
}

const accepter = await createIdentity();
const dialler = await createIdentity();

function portOf(address: Listener['address']): number {
  if (!('port' in address)) throw new Error('this listener has no port');
  return address.port;
}

export const TCP: Wire = {
  name: 'tcp',
  place: async () => ({ transport: 'tcp', host: '127.0.0.1', port: 0 }),
  towards: (_, { address }) => ({ transport: 'tcp', host: '127.0.0.1', port: portOf(address) }),
};

export const TLS: Wire = {
  name: 'tls',
  place: async () => ({ transport: 'tls', host: '127.0.0.1', port: 0, identity: accepter }),
  towards: (_, { address }) => ({
    transport: 'tls',
    host: '127.0.0.1',
    port: portOf(address),
    identity: dialler,
    expect: accepter.id,
  }),
};

const UNIX: Wire = {
  name: 'unix',
  place: async () => ({ transport: 'unix', path: join(await mkdtemp(join(tmpdir(), 'filer-')), 's') }),
  towards: (place) => place,
};

export const WIRES: readonly Wire[] = [TCP, TLS, UNIX];

/** Two ends of one fresh connection, and what must be closed in the end. */
export interface Pair extends AsyncDisposable {
  /** The dialler's end. */
  readonly near: Messenger;
  /** The accepter's end. */
  readonly far: Messenger;
}

export async function connect(
  wire: Wire,
  options: {
    readonly near?: MessengerOptions;
    readonly far?: MessengerOptions;
    readonly reuseReads?: boolean;
  } = {},
): Promise<Pair> {
  const place = await wire.place();
  const { promise, resolve } = Promise.withResolvers<Messenger>();
  const listener = await listen(place, {
    onConnection: (link) => {
      link.admit();
      resolve(new Messenger(link.socket, { ...options.far, peerId: link.peerId }));
    },
  });
  const { reuseReads = false } = options;
  const { socket, peerId, reads } = await dial(wire.towards(place, listener), { reuseReads });
  const near = new Messenger(socket, { ...options.near, peerId, reads });
  const far = await promise;
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      near.destroy();
      far.destroy();
      await Promise.all([near.closed, far.closed, listener.close()]);
    },
  };
}

/** The accepter's raw end of the next connection. */
export function accepted(): {
  readonly onConnection: (link: AcceptedLink) => void;
  next: Promise<AcceptedLink>;
} {
  const { promise, resolve } = Promise.withResolvers<AcceptedLink>();
  return { onConnection: resolve, next: promise };
}

/** Resolves as soon as `condition` holds; the test's own time-out is the bound. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** Resolves when the socket is gone and has said so, even if it already has. */
export async function gone(socket: NodeJS.EventEmitter & { readonly closed: boolean }): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // `closed` turns true before 'close' is emitted, which comes last in a turn of the loop.
  await turn();
  await turn();
}

/** The next message of a messenger that no one else reads. */
export async function nextOf(messenger: Messenger): Promise<Message> {
  const next: IteratorResult<Message, unknown> = await messenger[Symbol.asyncIterator]().next();
  if (next.done !== true) return next.value;
  throw new Error(`no message came: ${(await messenger.closed)?.message ?? 'the connection was closed'}`);
}

/** All that comes until the end. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
