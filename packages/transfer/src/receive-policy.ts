import { FilerError, type Entry, type Offer } from '@filer/protocol';
import { checkLinkTarget } from './link-target.ts';
import { parseSafePath } from './safe-path.ts';

export interface ReceivePolicy {
  /** Largest file that is taken, in bytes. @default no limit but the disk's */
  readonly maxFileBytes?: number | undefined;
  /**
   * Decides about an offer, however long a person thinks; throws a FilerError (`declined`, `refused`) to refuse.
   * `totals-needed` for an offer that is not complete makes the sender count, and offer once more.
   *
   * @returns what may come of it at most; undefined for any amount, as much as is there when it is sent
   * @default every offer is taken, without a cap
   */
  readonly accept?: ((offer: Offer, asker: Asker) => Cap | undefined | Promise<Cap | undefined>) | undefined;
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
}

const KINDS: ReadonlySet<string> = new Set(['file', 'dir', 'link']);

export function allowanceOf(cap: Cap | undefined): Allowance {
  return cap === undefined ? { files: Infinity, bytes: Infinity } : { ...cap };
}

/** What was there already did not come: something else may, in its place. */
export function giveBack(allowance: Allowance, bytes: number): void {
  allowance.files += 1;
  allowance.bytes += bytes;
}

/**
 * Whether one entry may come, and under which name. Takes what it needs from both allowances.
 *
 * @param left what the disk and the quota still take
 * @param alreadyHere bytes of it that the disk holds
 * @returns the components of its path
 * @throws FilerError why this entry, and no other, is refused
 */
export function judgeEntry(
  entry: Entry,
  policy: ReceivePolicy,
  offered: Allowance,
  left: Allowance,
  alreadyHere: (components: readonly string[]) => number,
): string[] {
  if (!KINDS.has(entry.kind)) {
    throw new FilerError(
      'unsupported',
      `entries of the kind ${entry.kind} are not taken here: update the receiver`,
    );
  }
  const components = parseSafePath(entry.path);
  if (entry.kind === 'link') checkLinkTarget(components, entry.target ?? '');
  if (entry.kind !== 'file' && entry.size !== 0) {
    throw new FilerError('refused', `a ${entry.kind} of ${entry.size} bytes is none`);
  }
  if (offered.names?.has(components[0] ?? '') === false) {
    throw new FilerError('refused', 'it is not among what the offer showed');
  }
  const here = Math.min(entry.kind === 'file' ? alreadyHere(components) : 0, entry.size);
  judgeSize(entry.size, policy, left, here);
  if (entry.kind === 'dir') {
    left.files -= 1;
    return components; // an offer counts files and links
  }
  if (offered.files < 1 || offered.bytes < entry.size) {
    throw new FilerError('refused', 'it goes beyond what the offer showed');
  }
  offered.files -= 1;
  offered.bytes -= entry.size;
  left.files -= 1;
  left.bytes -= entry.size - here;
  return components;
}

/** @throws FilerError `too-large`, `no-space` */
export function judgeSize(
  size: number,
  { maxFileBytes = Infinity }: ReceivePolicy,
  left: Allowance,
  alreadyHere = 0,
): void {
  if (size > maxFileBytes) {
    throw new FilerError(
      'too-large',
      `${size} bytes are more than the ${maxFileBytes} that the receiver takes`,
    );
  }
  if (size - alreadyHere > left.bytes || left.files < 1) {
    throw new FilerError(
      'no-space',
      `the receiver has no room for ${size} bytes: free some there and send again`,
    );
  }
}
