import { FilerError } from '@filer/protocol';
import { resolveTargets } from '../send/targets.ts';
import type { Member } from '../network/member.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Watch } from '../store/watch-store.ts';
import type { WatchOptions } from './watch-options.ts';

/** A target that has no machine now. Whatever is to be put away stays while it is to get a copy. */
export interface LostTarget {
  /** As typed. */
  readonly target: string;
  readonly error: FilerError;
}

/** Who gets what a watch finds. */
export interface WatchRecipients {
  readonly recipients: readonly KnownPeer[];
  readonly lost: readonly LostTarget[];
}

export interface RecipientsParts {
  readonly member: Pick<Member, 'watches'>;
  /** Finds the machines of a target. @throws FilerError @default resolveTargets */
  readonly resolve: (target: string) => readonly KnownPeer[];
  /** Files that waited for a target can go now: they are to be found again. */
  readonly onFound: () => void;
}

/**
 * The recipients of a watch. A target that names a machine means the machine that had this name when the watch was added,
 * whatever it is called now and whichever machine takes its name later. A group is who is in it at the moment.
 */
export class Recipients {
  readonly #parts: RecipientsParts;
  readonly #watch: Watch;
  readonly #options: WatchOptions;
  readonly #ids: Map<string, string>;
  /** Targets that had no machine at the last look, or before this start. */
  readonly #missed: Set<string>;

  constructor(parts: RecipientsParts, watch: Watch, options: WatchOptions) {
    this.#parts = parts;
    this.#watch = watch;
    this.#options = options;
    this.#ids = new Map(Object.entries(options.ids));
    this.#missed = new Set(options.to);
  }

  /** The recipients as they are now, and why some targets have none. */
  now(): WatchRecipients {
    const found = new Map<string, KnownPeer>();
    const lost: LostTarget[] = [];
    for (const target of this.#options.to) {
      try {
        const peers = this.#parts.resolve(this.#ids.get(target) ?? target);
        for (const peer of peers) found.set(peer.id, peer);
        this.#foundAgain(target, peers);
      } catch (error) {
        if (!(error instanceof FilerError)) throw error;
        this.#missed.add(target);
        lost.push({ target, error: this.#lostError(target, error) });
      }
    }
    return { recipients: [...found.values()], lost };
  }

  #foundAgain(target: string, [peer]: readonly KnownPeer[]): void {
    const { member, onFound } = this.#parts;
    if (peer !== undefined && !target.startsWith('@') && !this.#ids.has(target)) {
      // A watch of an earlier version: its targets were names.
      this.#ids.set(target, peer.id);
      const options = { ...this.#options, ids: Object.fromEntries(this.#ids) };
      member.watches.setOptions(this.#watch.id, JSON.stringify(options));
    }
    if (!this.#missed.delete(target)) return;
    if (member.watches.files.forgetOwed(this.#watch.id, owedTo(target)) > 0) onFound();
  }

  #lostError(target: string, cause: FilerError): FilerError {
    if (!this.#ids.has(target)) return cause;
    const why = cause.code === 'removed' ? 'was removed from the network' : 'is not in the network any more';
    return new FilerError(
      cause.code,
      `the machine that was called ${target} when this watch was added ${why}: remove the watch and add it again for the recipients of the files`,
      { cause },
    );
  }
}

/** How the recipients of a watch are found. @throws FilerError as `resolveTargets` */
export function resolverOf(member: Member): RecipientsParts['resolve'] {
  return (target) => resolveTargets(member, [target]);
}

/** Who is noted as owed a file while a target has no machine: no peer id looks like it. */
export function owedTo(target: string): string {
  return `target:${target}`;
}
