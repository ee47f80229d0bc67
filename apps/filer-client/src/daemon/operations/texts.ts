import {
  FilerError,
  formatText,
  messageOf,
  parseBroadcasted,
  type ErrorCode,
  type SignedText,
} from '@filer/protocol';
import type { peerMethods, TextOutcome } from '../../api/contract/peers.ts';
import { resolveTargets } from '../../send/targets.ts';
import { isPassing } from '../../jobs/while-lost.ts';
import { tellText } from '../../network/tell-text.ts';
import { messageDocument } from '../../network/message-document.ts';
import { composeText } from '../../network/texts.ts';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { OperationContext, OperationOf } from '../operation-context.ts';
import { Deadline } from './deadline.ts';
import { findPeer, findRecipients } from './recipients.ts';

/** Peers that are spoken to at once when the server cannot pass a text on. */
const AT_ONCE = 16;

/** `message TARGET TEXT`: direct for one; a group goes the way of a broadcast. */
export const message: OperationOf<typeof peerMethods.message> = async (
  context,
  { target, text: words, timeoutMs, queue = false },
  { signal },
) => {
  using deadline = new Deadline(timeoutMs, signal);
  if (queue) return await queued(context, target, words, deadline, timeoutMs);
  if (target.startsWith('@')) return await toMany(context, target, words, deadline, signal);
  const peer = await findPeer(context, target, deadline.signal, timeoutMs);
  const signed = composeText(context.member, peer.id, words, Date.now());
  try {
    await tell(context, peer, signed, deadline);
  } catch (error) {
    signal.throwIfAborted();
    throw withQueueAdvice(error, peer.name);
  }
  return outcome(signed, 'direct', 1, 0, []);
};

const MESSAGES = 200;

/** `messages` */
export const messages: OperationOf<typeof peerMethods.messages> = ({ member }, { limit = MESSAGES }) => {
  const all = member.messages.all();
  return {
    messages: (limit === 0 ? [] : all.slice(-limit)).map((each) => messageDocument(member, each)),
    more: all.length > limit,
  };
};

/** `--queue`: kept on disk first, then delivered to each one who is there. */
async function queued(
  context: OperationContext,
  target: string,
  words: string,
  deadline: Deadline,
  timeoutMs: number | undefined,
): Promise<TextOutcome> {
  const { member, texts } = context;
  const peers = await findRecipients(context, [target], deadline.signal, timeoutMs);
  const [first] = peers;
  const to = target.startsWith('@') || first === undefined ? target : first.id;
  const signed = composeText(member, to, words, Date.now());
  const { id, network, text, time } = signed;
  member.queuedTexts.add(peers.map(({ id: peer, name }) => ({ id, network, peer, name, to, text, time })));
  const waiting = peers.filter((peer) => !texts.isAway(peer.id));
  const worker = async (): Promise<void> => {
    for (let peer = waiting.shift(); peer !== undefined; peer = waiting.shift())
      await texts.deliver(peer.id, deadline.signal);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const left = member.queuedTexts.of(id);
  const failed = left.filter(({ state }) => state === 'failed');
  for (const each of failed) member.queuedTexts.remove(each);
  return {
    ...outcome(signed, 'direct', peers.length - left.length, 0, []),
    failed: failed.map(({ name, reason }) => ({ name, code: 'refused', message: reason })),
    queued: left
      .filter(({ state }) => state === 'waiting')
      .map(({ name, peer, reason }) => ({
        name,
        id: peer,
        reason: reason === '' ? `${name} is offline` : reason,
      })),
  };
}

/** What waiting can help says how to wait. */
function withQueueAdvice(error: unknown, name: string): unknown {
  if (!(error instanceof FilerError) || !isPassing(error.code)) return error;
  return new FilerError(error.code, `${error.message}; with --queue it is delivered when ${name} is back`, {
    cause: error,
  });
}

/** `broadcast TEXT`: through the server, direct while it is away. */
export const broadcast: OperationOf<typeof peerMethods.broadcast> = async (
  context,
  { text, timeoutMs },
  { signal },
) => {
  using deadline = new Deadline(timeoutMs, signal);
  return await toMany(context, '@all', text, deadline, signal);
};

async function toMany(
  context: OperationContext,
  target: string,
  words: string,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<TextOutcome> {
  const { member, access } = context;
  const signed = composeText(member, target, words, Date.now());
  let serverProblem: TextOutcome['serverProblem'];
  try {
    return await deadline.forServer(async (stop) => {
      const { session } = await access.session(stop);
      const peers = target === '@all' ? undefined : await findRecipients(context, [target], stop);
      const { reached, offline } = parseBroadcasted(
        await session.ask(formatText(signed, 'broadcast'), { signal: stop }),
      );
      const known = peers?.length ?? reached + offline;
      return outcome(signed, 'server', reached, Math.max(offline, known - reached), []);
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!isServerAway(error)) throw error;
    serverProblem = { code: error.code, message: error.message };
  }
  const peers = resolveTargets(member, [target]);
  return { ...(await direct(context, peers, signed, deadline, signal)), serverProblem };
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
  context: OperationContext,
  peers: readonly KnownPeer[],
  signed: SignedText,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<TextOutcome> {
  const failed: { name: string; code: string; message: string }[] = [];
  let offline = 0;
  const waiting = [...peers];
  const worker = async (): Promise<void> => {
    for (let peer = waiting.shift(); peer !== undefined; peer = waiting.shift()) {
      try {
        await tell(context, peer, signed, deadline);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof FilerError)) throw error;
        // Who was offline before is no failure, and it is not one for the server.
        if (error.code === 'peer-unreachable' && peer.state !== 'online') offline++;
        else failed.push({ name: peer.name, code: error.code, message: messageOf(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const missed = offline + failed.length;
  return outcome(signed, 'direct', peers.length - missed, missed, failed);
}

function tell(
  context: OperationContext,
  peer: KnownPeer,
  signed: SignedText,
  { signal }: Deadline,
): Promise<void> {
  return tellText(context, context.daemon.sessionWith(peer.id), peer, signed, signal);
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
