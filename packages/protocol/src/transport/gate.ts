import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { isLoopback } from '../addresses.ts';
import { FilerError } from '../errors.ts';
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
  /** Of an IPv4 address or an IPv6 /64. Loopback is exempt. @default MAX_UNAUTHENTICATED_PER_ADDRESS */
  readonly maxUnauthenticatedPerAddress?: number;
  /** Called for each connection that was turned away, for the log. */
  readonly onRefused?: (address: string, why: string) => void;
}

interface Waiting {
  readonly socket: Socket;
  readonly address: string;
  readonly timer: NodeJS.Timeout;
  /** Set once its end is somebody else's to tell: ends it when its time is over. */
  expire?: () => void;
  /** Why it is about to be destroyed. */
  why?: string;
}

/** Counts and bounds in time the connections that have not yet proved who they are. */
export class Gate {
  readonly #waiting = new Map<string, Waiting>();
  readonly #perAddress = new Map<string, number>();
  readonly #authenticationMs: number;
  readonly #maxUnauthenticated: number;
  readonly #maxPerAddress: number;
  readonly #onRefused: (address: string, why: string) => void;

  constructor(options: GateOptions) {
    this.#authenticationMs = options.authenticationMs ?? AUTHENTICATION_MS;
    this.#maxUnauthenticated = options.maxUnauthenticated ?? MAX_UNAUTHENTICATED;
    this.#maxPerAddress = options.maxUnauthenticatedPerAddress ?? MAX_UNAUTHENTICATED_PER_ADDRESS;
    this.#onRefused = options.onRefused ?? (() => undefined);
  }

  /**
   * Lets a raw connection try to authenticate, or destroys it.
   *
   * @returns whether it may try
   */
  enter(socket: Socket): boolean {
    socket.on('error', () => undefined); // 'close' tells the end
    const address = socket.remoteAddress ?? 'unknown';
    const key = keyOf(socket);
    const refusal = key === undefined ? 'it left at once' : this.#refusal(address);
    if (key === undefined || refusal !== undefined) {
      socket.destroy();
      this.#onRefused(address, refusal ?? '');
      return false;
    }
    const network = networkOf(address);
    this.#perAddress.set(network, (this.#perAddress.get(network) ?? 0) + 1);
    const timer = setTimeout(() => this.#expire(key), this.#authenticationMs);
    this.#waiting.set(key, { socket, address, timer });
    socket.once('close', () => this.#leave(key));
    return true;
  }

  #refusal(address: string): string | undefined {
    if (this.#waiting.size >= this.#maxUnauthenticated) return 'too many connections wait to authenticate';
    if ((this.#perAddress.get(networkOf(address)) ?? 0) >= this.#maxPerAddress && !isLoopback(address)) {
      return 'too many connections from one address wait to authenticate';
    }
    return undefined;
  }

  #expire(key: string): void {
    const entry = this.#waiting.get(key);
    if (entry === undefined) return;
    if (entry.expire !== undefined) entry.expire();
    else this.refuse(entry.socket, `it did not prove who it is within ${this.#authenticationMs / 1000} s`);
  }

  /** Destroys a connection that entered; the log is told once. */
  refuse(socket: Socket, why: string): void {
    const entry = this.#waiting.get(keyOf(socket) ?? '');
    if (entry !== undefined) entry.why ??= why;
    socket.destroy();
  }

  /**
   * Its key is proved, somebody talks to it: should it leave now, or not be admitted in time, that is theirs to tell.
   *
   * @param expire ends the connection for that reason
   */
  handOut(socket: Socket, expire: (reason: FilerError) => void): void {
    const entry = this.#waiting.get(keyOf(socket) ?? '');
    if (entry === undefined) return;
    const words = `${entry.address} was not admitted within ${this.#authenticationMs / 1000} s`;
    entry.expire = () => expire(new FilerError('timed-out', words));
  }

  /** The application has accepted it: it is no longer counted or timed. */
  admit(socket: Socket): void {
    this.#forget(keyOf(socket) ?? '');
  }

  /** Destroys all that have not been admitted. */
  close(): void {
    for (const [key, { socket }] of this.#waiting) {
      this.#forget(key);
      socket.destroy();
    }
  }

  #leave(key: string): void {
    const entry = this.#forget(key);
    if (entry === undefined || (entry.expire !== undefined && entry.why === undefined)) return;
    this.#onRefused(entry.address, entry.why ?? 'it left before it proved who it is');
  }

  #forget(key: string): Waiting | undefined {
    const entry = this.#waiting.get(key);
    if (entry === undefined) return undefined;
    clearTimeout(entry.timer);
    this.#waiting.delete(key);
    const network = networkOf(entry.address);
    const left = (this.#perAddress.get(network) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(network);
    else this.#perAddress.set(network, left);
    return entry;
  }
}

/** A TLS socket and the raw one below it have the same ends. */
function keyOf(socket: Socket): string | undefined {
  const { remoteAddress, remotePort, localAddress } = socket;
  return remotePort === undefined ? undefined : `${remoteAddress}|${remotePort}|${localAddress}`;
}

const GROUPS = 8;
const NETWORK_GROUPS = 4;

/** What is counted as one address: an IPv4 address, or an IPv6 /64, all of which any one machine in it can use. */
function networkOf(address: string): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: GROUPS - first.length - last.length }, () => '0');
  return [...first, ...zeros, ...last].slice(0, NETWORK_GROUPS).join(':');
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
