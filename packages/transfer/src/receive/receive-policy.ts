import { FilerError, type Entry, type Offer } from '@filer/protocol';
import { noFiles, noRoom } from '../disk/free-space.ts';
import { checkLinkTarget } from '../disk/link-target.ts';
import { parseSafePath } from '../disk/safe-path.ts';

export interface ReceivePolicy {
  /** Largest file that is taken, in bytes. @default no limit but the disk's */
  readonly maxFileBytes?: number | undefined;
  /** Most files and links that one transfer may bring. @default any number */
  readonly maxFiles?: number | undefined;
  /** Most bytes of files that one transfer may bring. @default any number */
  readonly maxBytes?: number | undefined;
  /** Most files, folders and links that one transfer may announce, whatever their outcome. @default MAX_TRANSFER_ENTRIES */
  readonly maxEntries?: number | undefined;
  /**
   * Decides about an offer, however long a person thinks; throws a FilerError (`declined`, `refused`) to refuse.
   * `totals-needed` for an offer that is not complete makes the sender count, and offer once more.
   *
   * @returns what may come of it at most; undefined for any amount, as much as is there when it is sent
   * @default every offer is taken, without a cap
   */
  readonly accept?: ((offer: Offer, asker: Asker) => Cap | undefined | Promise<Cap | undefined>) | undefined;
  /**
   * Whether the sender may have removed what it delivered before and nothing has changed since; a text is why it may not.
   *
   * @default it may not
   */
  readonly mirror?: true | string | undefined;
  /**
   * What is not wanted of what was asked for; its path is a safe one. Throws a FilerError for what no one asked for: it
   * is refused.
   *
   * @default nothing is left out
   */
  readonly leavesOut?: ((entry: Entry) => boolean) | undefined;
}

/** How the sender stands while an offer is decided about. */
export interface Asker {
  /** Aborted when the sender is gone. */
  readonly signal: AbortSignal;
  /** Tells the sender, now and from time to time, that a person was asked. */
  readonly asked: () => void;
}

/** What may come of one offer: as a person was shown it. */
export interface Cap {
  readonly files: number;
  readonly bytes: number;
  /** The first components of the paths; undefined for any. */
  readonly names?: ReadonlySet<string> | undefined;
}

/** How much may still come. */
export interface Allowance {
  files: number;
  bytes: number;
  readonly names?: ReadonlySet<string> | undefined;
  /** Why more than that does not. */
  readonly beyond: () => FilerError;
}

/** What the disk and the quota still take. */
export interface Room {
  files: number;
  bytes: number;
}

const KINDS: ReadonlySet<string> = new Set(['file', 'dir', 'link']);

export function allowanceOf(
  cap: Cap | undefined,
  { maxFiles = Infinity, maxBytes = Infinity }: ReceivePolicy,
): Allowance {
  if (cap === undefined) {
    const allowance: Allowance = {
      files: maxFiles,
      bytes: maxBytes,
      beyond: () => (allowance.files < 1 ? tooMany(maxFiles) : tooMuch(maxBytes)),
    };
    return allowance;
  }
  const beyond = (): FilerError => new FilerError('refused', 'it goes beyond what the offer showed');
  return { ...cap, beyond };
}

/** Takes one more file or link from what may come. What is there already does not come. @throws FilerError */
export function takeAllowed(allowance: Allowance, bytes: number): void {
  if (allowance.files < 1 || allowance.bytes < bytes) throw allowance.beyond();
  allowance.files -= 1;
  allowance.bytes -= bytes;
}

/** @throws FilerError why the offer as a whole is refused */
export function judgeOffer({ files, mirror }: Offer, { maxFiles = Infinity, ...may }: ReceivePolicy): void {
  if (mirror === true) requireMirror(may);
  if (files > maxFiles) throw tooMany(maxFiles);
}

/** @throws FilerError `refused` when a sender may not have removed what it delivered */
export function requireMirror({
  mirror = 'nothing is removed here for another machine',
}: ReceivePolicy): void {
  if (mirror !== true) throw new FilerError('refused', mirror);
}

/**
 * Whether one entry may come, and under which name, whatever else comes.
 *
 * @param names the first components that were offered, undefined for any
 * @returns the components of its path
 * @throws FilerError why this entry, and no other, is refused
 */
export function judgeEntry(entry: Entry, policy: ReceivePolicy, names: Allowance['names']): string[] {
  if (entry.malformed !== undefined) {
    throw new FilerError(
      'unsupported',
      `the receiver cannot read what is said of it (${entry.malformed}): update the older of the two machines`,
    );
  }
  if (!KINDS.has(entry.kind)) {
    throw new FilerError(
      'unsupported',
      `entries of the kind ${entry.kind} are not taken here: update the receiver`,
    );
  }
  const components = parseSafePath(entry.path);
  if (entry.kind === 'link') checkLinkTarget(components, entry.target ?? '');
  if (entry.kind !== 'file' && entry.size !== 0) {
    throw new FilerError('refused', `a ${entry.kind} cannot have ${entry.size} bytes`);
  }
  if (names?.has(components[0] ?? '') === false) {
    throw new FilerError('refused', 'it is not among what the offer showed');
  }
  judgeSize(entry.size, policy);
  return components;
}

/** @throws FilerError `too-large` */
export function judgeSize(size: number, { maxFileBytes = Infinity }: ReceivePolicy): void {
  if (size <= maxFileBytes) return;
  throw new FilerError(
    'too-large',
    `${size} bytes are more than the ${maxFileBytes} that the receiver takes`,
  );
}

/** Takes room for one more, which needs so many bytes. @throws FilerError `no-space` */
export function takeRoom(left: Room, bytes: number): void {
  if (left.files < 1) throw noFiles();
  if (bytes > left.bytes) throw noRoom(bytes);
  left.files -= 1;
  left.bytes -= bytes;
}

function tooMuch(maxBytes: number): FilerError {
  return new FilerError(
    'too-large',
    `the receiver takes ${maxBytes} bytes in one transfer: send less, or ask there for a higher limit`,
  );
}

function tooMany(maxFiles: number): FilerError {
  return new FilerError(
    'too-large',
    `the receiver takes ${maxFiles} files in one transfer: send fewer at a time, or pack them`,
  );
}
