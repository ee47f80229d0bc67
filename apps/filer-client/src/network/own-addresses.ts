import { networkInterfaces } from 'node:os';
import { FilerError, isLoopback, type Messenger } from '@filer/protocol';

/** How often the addresses of this machine are read while there are connections, in ms: a few microseconds each. */
const LOOK_EVERY_MS = 2_000;

/** An address is gone when it was missing so often: one that is renewed is away for a moment. */
const LOOKS = 2;

/**
 * Ends connections from addresses that this machine no longer has, while it has others: after a change of network or the end
 * of a VPN nothing comes back on them, which would be noticed by silence alone, much later. Where no address is left the
 * network is away, and may return as it was.
 */
export class OwnAddresses {
  /** How often in a row the address of each connection was missing. */
  readonly #missing = new Map<Messenger, number>();
  readonly #hosts: () => ReadonlySet<string>;
  #timer: NodeJS.Timeout | undefined;

  /** @param hosts that this machine has now, without loopback */
  constructor(hosts = ownHosts) {
    this.#hosts = hosts;
  }

  /** Watches over a connection until it ends. */
  watch(messenger: Messenger): void {
    const from = localHost(messenger);
    if (from === '' || isLoopback(from)) return;
    this.#missing.set(messenger, 0);
    this.#timer ??= setInterval(() => this.look(), LOOK_EVERY_MS).unref();
    void messenger.closed.then(() => {
      this.#missing.delete(messenger);
      if (this.#missing.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    });
  }

  look(): void {
    const hosts = this.#hosts();
    for (const [messenger, count] of this.#missing) {
      const from = localHost(messenger);
      const isMissing = hosts.size > 0 && from !== '' && !hosts.has(from);
      this.#missing.set(messenger, isMissing ? count + 1 : 0);
      if (isMissing && count + 1 >= LOOKS)
        messenger.destroy(
          new FilerError('connection-closed', `this machine no longer has the address ${from}`),
        );
    }
  }
}

function localHost({ socket }: Messenger): string {
  return (socket.localAddress ?? '').replace(/^::ffff:(?=[0-9.]+$)/, '');
}

function ownHosts(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
  const own = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  return new Set(own.map(({ address }) => address));
}
