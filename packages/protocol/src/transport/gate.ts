import { BlockList, type Socket } from 'node:net';
import { readFileSync } from 'node:fs';
import {
  AUTHENTICATION_MS,
  MAX_CONNECTIONS,
  MAX_DESCRIPTOR_SHARE,
  MAX_UNAUTHENTICATED,
  MAX_UNAUTHENTICATED_PER_ADDRESS,
} from '../limits.ts';

export interface GateOptions {
  /** Accept to admitted, in ms; then destroyed. @default AUTHENTICATION_MS */
  readonly authenticationMs?: number;
  /** @default MAX_UNAUTHENTICATED */
  readonly maxUnauthenticated?: number;
  /** Loopback is exempt. @default MAX_UNAUTHENTICATED_PER_ADDRESS */
  readonly maxUnauthenticatedPerAddress?: number;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
LOOPBACK.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

/** Counts and bounds in time the connections that have not yet proved who they are. */
export class Gate {
  readonly #waiting = new Map<string, { socket: Socket; address: string; timer: NodeJS.Timeout }>();
  readonly #perAddress = new Map<string, number>();
  readonly #authenticationMs: number;
  readonly #maxUnauthenticated: number;
  readonly #maxPerAddress: number;

  constructor(options: GateOptions) {
    this.#authenticationMs = options.authenticationMs ?? AUTHENTICATION_MS;
    this.#maxUnauthenticated = options.maxUnauthenticated ?? MAX_UNAUTHENTICATED;
    this.#maxPerAddress = options.maxUnauthenticatedPerAddress ?? MAX_UNAUTHENTICATED_PER_ADDRESS;
  }

  /** @returns why the raw connection must be refused, or undefined when it may try to authenticate */
  enter(socket: Socket): string | undefined {
    const key = keyOf(socket);
    if (key === undefined) return 'it is gone already';
    const address = socket.remoteAddress ?? '';
    const here = this.#perAddress.get(address) ?? 0;
    if (this.#waiting.size >= this.#maxUnauthenticated) return 'too many connections wait to authenticate';
    if (here >= this.#maxPerAddress && !isLoopbackAddress(address)) {
      return 'too many connections from one address wait to authenticate';
    }
    this.#perAddress.set(address, here + 1);
    const timer = setTimeout(() => socket.destroy(), this.#authenticationMs);
    this.#waiting.set(key, { socket, address, timer });
    socket.once('close', () => this.#leave(key));
    return undefined;
  }

  /** The connection has proved who it is: it is no longer counted or timed. */
  admit(socket: Socket): void {
    const key = keyOf(socket);
    if (key !== undefined) this.#leave(key);
  }

  /** Destroys all that have not been admitted. */
  close(): void {
    for (const { socket } of this.#waiting.values()) socket.destroy();
  }

  #leave(key: string): void {
    const entry = this.#waiting.get(key);
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    this.#waiting.delete(key);
    const left = (this.#perAddress.get(entry.address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(entry.address);
    else this.#perAddress.set(entry.address, left);
  }
}

/** A TLS socket and the raw one below it have the same ends. */
function keyOf(socket: Socket): string | undefined {
  const { remoteAddress, remotePort, localAddress } = socket;
  return remotePort === undefined ? undefined : `${remoteAddress}|${remotePort}|${localAddress}`;
}

function isLoopbackAddress(address: string): boolean {
  return LOOPBACK.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
}

/**
 * How many connections a server may hold: the limit, and never more than 80 % of the process's descriptors
 * (running out of them is silent: a connection then hangs instead of being refused).
 */
export function connectionLimit(): number {
  const open = /^Max open files\s+(\d+)/m.exec(readLimits())?.[1];
  return open === undefined
    ? MAX_CONNECTIONS
    : Math.min(MAX_CONNECTIONS, Math.floor(Number(open) * MAX_DESCRIPTOR_SHARE));
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return ''; // only Linux has this file; elsewhere the fixed limit holds
  }
}
