import {
  BoundedAnswer,
  DIRECTORY_BOUNDS,
  FilerError,
  formatDirectoryGet,
  MAX_KNOWN_PEERS,
  parseDirectory,
  requireMachineName,
  verifyMembership,
  verifyPeerRecord,
  type DirectoryEntry,
  type DirectoryPage,
  type Session,
  type Welcome,
} from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Member } from './member.ts';

/**
 * Compares what is kept with the position that a fresh welcome names. A server that was restored from a backup
 * stands behind us: its directory counts again.
 */
export function alignDirectory(member: Member, { epoch, seq }: Pick<Welcome, 'epoch' | 'seq'>): void {
  const known = member.directory.position;
  if (epoch !== undefined && known.epoch === epoch && known.seq > (seq ?? 0)) member.directory.restart(epoch);
}

/** Told about entries that were passed over, for the log. */
export type OnRefused = (error: FilerError) => void;

/**
 * Brings the kept directory up to the server's position, page by page.
 *
 * @param head the position that the server's welcome named
 * @param onTime is told what the server's clock says, with each page
 * @param signal ends it early
 * @throws FilerError when the server does not keep to the protocol, or to `DIRECTORY_BOUNDS`
 */
export async function pullDirectory(
  member: Member,
  session: Session,
  head: { epoch: string; seq: number },
  onRefused: OnRefused,
  onTime: (serverTimeMs: number) => void = () => undefined,
  signal?: AbortSignal,
): Promise<void> {
  if (member.directory.position.epoch !== head.epoch) member.directory.restart(head.epoch);
  using answers = new BoundedAnswer(session.messenger.who, 'machines', DIRECTORY_BOUNDS);
  const stop = signal === undefined ? answers.signal : AbortSignal.any([signal, answers.signal]);
  for (;;) {
    const { epoch, seq } = member.directory.position;
    const answer = await session.ask(formatDirectoryGet({ epoch, seq }), { signal: stop });
    const page = parseDirectory(answer);
    answers.take(answer, page.entries);
    if (page.epoch !== epoch || page.from > seq || page.seq < seq) {
      throw new FilerError('unexpected-message', 'the server answered with another part of the directory');
    }
    onTime(page.time);
    // The server gave out our position and has lost it since (a restored backup): who is not told now is unknown there.
    if (page.from === 0 && seq > 0) member.directory.restart(epoch);
    await applyPage(member, page, onRefused).kept;
    if (!page.more) return;
    if (page.seq === seq)
      throw new FilerError('unexpected-message', 'the pages of the directory do not follow each other');
  }
}

/**
 * Takes in a page that was broadcast.
 *
 * @returns the peers whose presence it tells; undefined when pages are missing in between: pull
 */
export function takeBroadcast(
  member: Member,
  page: DirectoryPage,
  onRefused: OnRefused,
): readonly KnownPeer[] | undefined {
  const { epoch, seq } = member.directory.position;
  if (page.epoch !== epoch || page.from > seq) return undefined;
  return page.seq >= seq ? applyPage(member, page, onRefused).told : [];
}

interface Applied {
  /** The peers whose presence the page tells. */
  readonly told: readonly KnownPeer[];
  /** Resolves when a newer membership of this machine is on disk. */
  readonly kept: Promise<unknown>;
}

function applyPage(member: Member, page: DirectoryPage, onRefused: OnRefused): Applied {
  const entries = page.entries.filter((entry) => isGenuine(member, entry, onRefused));
  const { told, leftOut } = member.directory.apply(entries, { seq: page.seq, time: page.time });
  if (leftOut > 0) {
    onRefused(
      new FilerError(
        'too-large',
        `${leftOut} machines are not remembered: this one knows ${MAX_KNOWN_PEERS}, the most that it takes from a server`,
      ),
    );
  }
  const keeping = entries.flatMap((entry) =>
    entry.kind === 'member' ? (member.adopt(entry.membership) ?? []) : [],
  );
  const kept = Promise.all(keeping).catch((error: unknown) => {
    // The membership counts in this process, and comes again with the next welcome.
    if (!(error instanceof FilerError)) throw error;
    onRefused(error);
  });
  return { told, kept };
}

/** An entry that does not verify is passed over: a server can hide a peer, it cannot make one up. */
function isGenuine(member: Member, entry: DirectoryEntry, onRefused: OnRefused): boolean {
  try {
    if (entry.kind === 'member') {
      verifyMembership(entry.membership, member.network);
      if (entry.membership.id !== member.id) requireMachineName(entry.membership);
    }
    if (entry.kind === 'record') verifyPeerRecord(entry.record, member.network);
    return true;
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    onRefused(error);
    return false;
  }
}
