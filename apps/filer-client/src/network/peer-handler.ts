import {
  FilerError,
  unsupported,
  type Handler,
  type Message,
  type Session,
  type SignedText,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import { answerList } from '../jobs/answer-list.ts';
import type { Member } from './member.ts';
import { answerRemovals } from './removal-sync.ts';
import { takeText } from './texts.ts';

export interface PeerHandlerParts {
  readonly member: Member;
  readonly log: Logger;
  readonly onText: (text: SignedText) => void;
  /** Answers `holding`. */
  readonly onHolding: (message: Message, session: Session, peerId: string) => undefined;
}

/** What another member may ask in a session, whoever of the two opened it. */
export function peerHandler({ member, log, onText, onHolding }: PeerHandlerParts, peerId: string): Handler {
  return (message, session) => {
    switch (message.header['type']) {
      case 'text':
        try {
          const text = takeText(member, message, peerId, Date.now());
          if (text !== undefined) onText(text);
          return { header: { type: 'ok' } };
        } catch (error) {
          if (error instanceof FilerError) log.warn('a message was refused', { from: peerId, error });
          throw error;
        }
      case 'list':
        return answerList(member, peerId, message, session);
      case 'holding':
        return onHolding(message, session, peerId);
      case 'removals-get':
        return answerRemovals(member, message);
      default:
        throw unsupported(message.header);
    }
  };
}
