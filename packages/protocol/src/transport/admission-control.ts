import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { isLoopback } from '../addresses.ts';
import { FilerError } from '../errors.ts';
import { addressBlockOf } from '../fairness/address-block.ts';
import type { ShareBounds } from '../fairness/shares.ts';
import {
  AUTHENTICATION_MS,
  FREE_DESCRIPTOR_SHARE,
  KNOWN_ADDRESS_SHARE,
  KNOWN_BLOCK_SHARE,
  MAX_CONNECTIONS,
  MAX_FREE_DESCRIPTORS,
  MAX_KNOWN_ADDRESSES,
  MAX_SHARE_OF_CONNECTIONS,
  MAX_UNAUTHENTICATED,
  MAX_UNAUTHENTICATED_PER_ADDRESS,
} from '../limits.ts';

export interface AdmissionOptions {
  /** Accept to admitted, in ms; then destroyed. @default AUTHENTICATION_MS */
  readonly authenticationMs?: number;
  /** @default MAX_UNAUTHENTICATED, and at most a quarter of all connections */
  readonly maxUnauthenticated?: number;
  /** Of an IPv4 address or an IPv6 /64. Loopback is exempt. @default MAX_UNAUTHENTICATED_PER_ADDRESS */
  readonly maxUnauthenticatedPerAddress?: number;
  /** Called for each connection that was turned away, for the log. */
  readonly onRefused?: (address: string, why: string) => void;
}

interface Waiting {
  readonly stream: Duplex;
  readonly address: string;
  readonly block: string;
  readonly timer: NodeJS.Timeout;
  /** Whether its next step is this program's, not its own. */
  waitsForUs: boolean;
  /** Set once its end is somebody else's to tell: ends it when its time is over. */
  expire?: (why: FilerError) => void;
  /** Why it is about to be destroyed. */
  why?: string;
}

/**
 * Counts and bounds in time the connections that have not been admitted yet. A newcomer is not refused because others wait:
 * when there is no room, one of the address block that has most gives way, and of those the one whose last step towards its
 * admission is longest ago.
 * Address blocks from which a member came recently have places that others cannot take.
 */
export class AdmissionControl {
  /** In the order of arrival. */
  readonly #waiting = new Map<Duplex, Waiting>();
  /** Those that wait, of each address block; who made a step last is last. */
  readonly #blocks = new Map<string, Set<Waiting>>();
  /** Address blocks from which somebody was admitted, the latest last. */
  readonly #known = new Set<string>();
  readonly #authenticationMs: number;
  readonly #max: number;
  readonly #maxOfUnknown: number;
  readonly #maxPerAddress: number;
  readonly #maxOfKnown: number;
  readonly #onRefused: (address: string, why: string) => void;

  constructor(options: AdmissionOptions) {
    this.#authenticationMs = options.authenticationMs ?? AUTHENTICATION_MS;
    this.#max = options.maxUnauthenticated ?? unauthenticatedLimit();
    this.#maxOfUnknown = Math.ceil(this.#max * (1 - KNOWN_ADDRESS_SHARE));
    this.#maxPerAddress = options.maxUnauthenticatedPerAddress ?? MAX_UNAUTHENTICATED_PER_ADDRESS;
    this.#maxOfKnown = Math.max(this.#maxPerAddress, Math.floor(this.#max * KNOWN_BLOCK_SHARE));
    this.#onRefused = options.onRefused ?? (() => undefined);
  }

  /**
   * Lets a raw connection try to authenticate, or destroys it.
   *
   * @param address undefined when it is gone already
   * @returns whether it may try
   */
  enter(stream: Duplex, address: string | undefined): boolean {
    stream.on('error', () => undefined); // 'close' tells the end
    const block = addressBlockOf(address ?? 'unknown');
    const refusal = address === undefined ? 'it left at once' : this.#makeRoom(address, block);
    if (address === undefined || refusal !== undefined) {
      stream.destroy();
      this.#onRefused(address ?? 'unknown', refusal ?? '');
      return false;
    }
    const timer = setTimeout(() => this.#expire(stream), this.#authenticationMs);
    const entry = { stream, address, block, timer, waitsForUs: false };
    this.#waiting.set(stream, entry);
    this.#blocks.set(block, (this.#blocks.get(block) ?? new Set()).add(entry));
    stream.once('close', () => this.#leave(stream));
    return true;
  }

  /** @returns why there is no room for one more */
  #makeRoom(address: string, block: string): string | undefined {
    const isKnown = this.#known.has(block);
    const maxOfBlock = isKnown ? this.#maxOfKnown : this.#maxPerAddress;
    if ((this.#blocks.get(block)?.size ?? 0) >= maxOfBlock && !isLoopback(address)) {
      this.#dropOneOf(block);
      return undefined;
    }
    if (isKnown ? this.#waiting.size < this.#max : this.#countUnknown() < this.#maxOfUnknown)
      return undefined;
    // A known address block is touched only for one of its own kind.
    const most = greediest(this.#blocks, (block) => !this.#known.has(block));
    const gives = most ?? (isKnown ? greediest(this.#blocks, () => true) : undefined);
    if (gives === undefined) return 'too many connections wait to authenticate';
    this.#dropOneOf(gives);
    return undefined;
  }

  /** How many wait from address blocks that no one was admitted from. */
  #countUnknown(): number {
    let count = 0;
    for (const [block, { size }] of this.#blocks) if (!this.#known.has(block)) count += size;
    return count;
  }

  /** Whose own step is awaited longest; else any: who floods a block cannot choose which. */
  #dropOneOf(block: string): void {
    const entries = this.#blocks.get(block) ?? new Set();
    const victim = firstIdle(entries) ?? [...entries][randomInt(Math.max(1, entries.size))];
    if (victim === undefined) return;
    const why = 'it gave way to a newcomer, since too many connections wait to authenticate';
    if (victim.expire !== undefined) victim.expire(new FilerError('too-many-connections', why));
    victim.why ??= why;
    victim.stream.destroy();
    this.#leave(victim.stream);
  }

  #expire(stream: Duplex): void {
    const entry = this.#waiting.get(stream);
    if (entry === undefined) return;
    if (entry.expire !== undefined) {
      const words = `${entry.address} was not admitted within ${this.#authenticationMs / 1000} s`;
      entry.expire(new FilerError('timed-out', words));
    } else this.refuse(stream, `it did not prove who it is within ${this.#authenticationMs / 1000} s`);
  }

  /**
   * Destroys a connection that entered; the log is told once.
   *
   * @param secure what is over the stream, if anything
   * @param error for its owner, if it was admitted
   */
  refuse(stream: Duplex, why: string, secure: Duplex = stream, error?: FilerError): void {
    const entry = this.#waiting.get(stream);
    if (entry !== undefined) entry.why ??= why;
    secure.destroy(entry === undefined ? error : undefined);
  }

  /** It has made a step towards its admission. @param waitsForUs whether the next one is ours */
  step(stream: Duplex, waitsForUs: boolean): void {
    const entry = this.#waiting.get(stream);
    if (entry === undefined) return;
    entry.waitsForUs = waitsForUs;
    const ofBlock = this.#blocks.get(entry.block);
    ofBlock?.delete(entry);
    ofBlock?.add(entry);
  }

  /**
   * Its key is proved, somebody talks to it: should it leave now, or not be admitted in time, that is theirs to tell.
   *
   * @param expire ends the connection for that reason
   */
  handOut(stream: Duplex, expire: (reason: FilerError) => void): void {
    const entry = this.#waiting.get(stream);
    if (entry === undefined) return;
    entry.expire = expire;
    this.step(stream, false);
  }

  /** The application has accepted it: it is no longer counted or timed. */
  admit(stream: Duplex): void {
    const entry = this.#forget(stream);
    if (entry === undefined) return;
    this.#known.delete(entry.block);
    this.#known.add(entry.block);
    const [oldest] = this.#known;
    if (this.#known.size > MAX_KNOWN_ADDRESSES && oldest !== undefined) this.#known.delete(oldest);
  }

  /** Destroys all that have not been admitted. */
  close(): void {
    for (const stream of this.#waiting.keys()) {
      this.#forget(stream);
      stream.destroy();
    }
  }

  #leave(stream: Duplex): void {
    const entry = this.#forget(stream);
    if (entry === undefined || (entry.expire !== undefined && entry.why === undefined)) return;
    this.#onRefused(entry.address, entry.why ?? 'it left before it proved who it is');
  }

  #forget(stream: Duplex): Waiting | undefined {
    const entry = this.#waiting.get(stream);
    if (entry === undefined) return undefined;
    clearTimeout(entry.timer);
    this.#waiting.delete(stream);
    const ofBlock = this.#blocks.get(entry.block);
    ofBlock?.delete(entry);
    if (ofBlock?.size === 0) this.#blocks.delete(entry.block);
    return entry;
  }
}

function firstIdle(entries: Iterable<Waiting>): Waiting | undefined {
  for (const entry of entries) if (!entry.waitsForUs) return entry;
  return undefined;
}

/** The block that has most, of those that are asked for; the first one of several. */
function greediest(
  blocks: Iterable<readonly [string, ReadonlySet<unknown>]>,
  isAsked: (block: string) => boolean,
): string | undefined {
  let most: string | undefined;
  let mostOf = 0;
  for (const [block, { size }] of blocks) {
    if (size <= mostOf || !isAsked(block)) continue;
    most = block;
    mostOf = size;
  }
  return most;
}

/**
 * How many connections a server may hold: the limit, and never so many that files have too few of the process's descriptors
 * (running out of them is silent: a connection then hangs instead of being refused).
 */
export function connectionLimit(): number {
  const open = /^Max open files\s+(\d+)/m.exec(readLimits())?.[1];
  return open === undefined ? MAX_CONNECTIONS : connectionsWithin(Number(open));
}

/** @param descriptors those of a process */
export function connectionsWithin(descriptors: number): number {
  const free = Math.min(MAX_FREE_DESCRIPTORS, Math.ceil(descriptors * FREE_DESCRIPTOR_SHARE));
  return Math.min(MAX_CONNECTIONS, descriptors - free);
}

/** Where descriptors are few, those that wait to be admitted leave room for members. */
function unauthenticatedLimit(): number {
  return Math.min(MAX_UNAUTHENTICATED, Math.ceil(connectionLimit() * MAX_SHARE_OF_CONNECTIONS));
}

/** Bounds for the connections of members: of one at most `perMember`, of all what the listener takes beside those that wait. */
export function memberConnectionBounds(perMember: number): ShareBounds {
  const inAll = connectionLimit() - unauthenticatedLimit();
  return { perHolder: Math.min(perMember, Math.ceil(inAll * MAX_SHARE_OF_CONNECTIONS)), inAll };
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return ''; // only Linux has this file; elsewhere the fixed limit holds
  }
}
