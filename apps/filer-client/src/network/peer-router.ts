import {
  FilerError,
  hearLeaves,
  hearRemovals,
  leavesMessage,
  OK,
  probedMessage,
  probeMessage,
  removalsGetMessage,
  removalsMessage,
  routed,
  Router,
  textMessage,
  type Handler,
  type InSession,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { Member } from './member.ts';
import { answerRemovals } from './removal-sync.ts';
import { takeText } from './texts.ts';

/** What a handler is told beside the message of another member. */
export interface FromPeer extends InSession {
  readonly peerId: string;
}

/** Handlers of what other members say in a session, whichever of the two opened it. */
export type PeerRouter = Router<FromPeer>;

/** Handles what concerns the network; who has other messages to handle adds them. */
export function peerRouter(member: Member, log: Logger): PeerRouter {
  return new Router<FromPeer>({ on: 'peer session', as: 'peer' })
    .onUnparsed(textMessage, (message, { peerId }) => {
      try {
        takeText(member, textMessage.parse(message), peerId, Date.now());
        return OK;
      } catch (error) {
        if (error instanceof FilerError) log.warn('a message was refused', { from: peerId, error });
        throw error;
      }
    })
    .on(probeMessage, (_, { session }) =>
      probedMessage.format({ time: Date.now(), observed: session.messenger.addr }),
    )
    .on(removalsGetMessage, (asked) => answerRemovals(member, asked))
    .on(removalsMessage, ({ removals }, { session }) =>
      hearRemovals(member.removals, removals, session.messenger),
    )
    .on(leavesMessage, ({ leaves }, { session }) => hearLeaves(member.removals, leaves, session.messenger));
}

/** The handler of the session with one peer. */
export function peerHandler(router: PeerRouter, peerId: string): Handler {
  return routed(router, { peerId });
}
