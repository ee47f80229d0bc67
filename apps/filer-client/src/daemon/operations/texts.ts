import {
  fieldsOf,
  FilerError,
  formatText,
  messageOf,
  parseBroadcasted,
  Session,
  textOf,
  type ErrorCode,
  type SignedText,
} from '@filer/protocol';
import { resolveTargets } from '../../jobs/targets.ts';
import { reachPeer } from '../../network/reach-peer.ts';
import { composeText } from '../../network/texts.ts';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { Operation, Site } from '../site.ts';
import { findRecipients } from './recipients.ts';

/** Whoever uses them says what is too long. */
const ANY_LENGTH = { max: Number.POSITIVE_INFINITY };

/** Peers that are spoken to at once when the server cannot pass a text on. */
const AT_ONCE = 16;

/** How a text went out. */
export interface TextOutcome {
  readonly id: string;
  readonly to: string;
  /** Through the server, or straight from here. */
  readonly via: 'direct' | 'server';
  /** How many have it (direct) or were handed it (server). */
  readonly reached: number;
  /** How many could not be reached. */
  readonly offline: number;
  /** Whom it could not reach and why, as far as this machine knows. */
  readonly failed: readonly { readonly name: string; readonly code: string; readonly message: string }[];
  /** Why the server did not hand it on; null when it did, or was not asked. */
  readonly serverProblem: { readonly code: ErrorCode; readonly message: string } | null;
}

/** `message TARGET TEXT`: direct for one; a group goes the way of a broadcast. */
export const message: Operation = async (site, params, { signal }) => {
  const fields = fieldsOf(params, 'message');
  const target = textOf(fields['target'], 'TARGET', ANY_LENGTH);
  const words = textOf(fields['text'], 'TEXT', ANY_LENGTH);
  if (target.startsWith('@')) return toMany(site, target, words, signal);
  const [peer] = await findRecipients(site, [target], signal);
  if (peer === undefined) throw new Error('a name resolves to one peer');
  const signed = composeText(site.member, peer.id, words, Date.now());
  await tell(site, peer, signed, signal);
  return outcome(signed, 'direct', 1, 0, []);
};

/** `broadcast TEXT`: through the server, direct while it is away. */
export const broadcast: Operation = (site, params, { signal }) =>
  toMany(site, '@all', textOf(fieldsOf(params, 'broadcast')['text'], 'TEXT', ANY_LENGTH), signal);

async function toMany(site: Site, target: string, words: string, signal: AbortSignal): Promise<TextOutcome> {
  const { member, access } = site;
  const signed = composeText(member, target, words, Date.now());
  let serverProblem: TextOutcome['serverProblem'];
  try {
    const { session } = await access.session(signal);
    const peers = target === '@all' ? undefined : await findRecipients(site, [target], signal);
    const { reached, offline } = parseBroadcasted(
      await session.ask(formatText(signed, 'broadcast'), { signal }),
    );
    const known = peers?.length ?? reached + offline;
    return outcome(signed, 'server', reached, Math.max(offline, known - reached), []);
  } catch (error) {
    signal.throwIfAborted();
    if (!isServerAway(error)) throw error;
    serverProblem = { code: error.code, message: error.message };
  }
  return { ...(await direct(site, resolveTargets(member, [target]), signed, signal)), serverProblem };
}

/** The server cannot be used, which is no reason not to speak to the peers. */
const WITHOUT_SERVER: ReadonlySet<ErrorCode> = new Set([
  'server-unreachable',
  'connection-closed',
  'connection-silent',
  'timed-out',
  'identity-mismatch',
  'not-a-member',
  'too-many-connections',
]);

function isServerAway(error: unknown): error is FilerError {
  return error instanceof FilerError && WITHOUT_SERVER.has(error.code);
}

async function direct(
  site: Site,
  peers: readonly KnownPeer[],
  signed: SignedText,
  signal: AbortSignal,
): Promise<TextOutcome> {
  const failed: { name: string; code: string; message: string }[] = [];
  let offline = 0;
  const waiting = [...peers];
  const worker = async (): Promise<void> => {
    for (let peer = waiting.shift(); peer !== undefined; peer = waiting.shift()) {
      try {
        await tell(site, peer, signed, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof FilerError)) throw error;
        // Who was offline before is no failure, just as it is none for the server.
        if (error.code === 'peer-unreachable' && peer.state !== 'online') offline++;
        else failed.push({ name: peer.name, code: error.code, message: messageOf(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const missed = offline + failed.length;
  return outcome(signed, 'direct', peers.length - missed, missed, failed);
}

async function tell(site: Site, peer: KnownPeer, signed: SignedText, signal: AbortSignal): Promise<void> {
  const kept = site.daemon?.sessionWith(peer.id);
  if (kept !== undefined) {
    await kept.ask(formatText(signed), { signal });
    return;
  }
  const { messenger } = await reachPeer(site, peer, { purpose: 'session' }, signal);
  const session = new Session(messenger);
  try {
    await session.ask(formatText(signed), { signal });
  } finally {
    await session.close();
  }
}

function outcome(
  signed: SignedText,
  via: TextOutcome['via'],
  reached: number,
  offline: number,
  failed: TextOutcome['failed'],
): TextOutcome {
  return { id: signed.id, to: signed.to, via, reached, offline, failed, serverProblem: null };
}
