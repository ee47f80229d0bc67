/* Words for people, always signed by who wrote them. */
import type { Message } from '../header.ts';
import { MAX_TEXT_DOCUMENT_BYTES } from '../limits.ts';
import { parseText, type SignedText } from '../trust/text.ts';
import { json } from './content.ts';
import { message, type Parsed } from './declaration.ts';
import { integer } from './field.ts';
import { okMessage } from './ok.ts';
import { clientToServer, peerToPeer, serverToClient } from './route.ts';

/** The signature is not checked here. */
const signedText = json<SignedText>({
  shape: 'a signed text',
  maxBytes: MAX_TEXT_DOCUMENT_BYTES,
  read: parseText,
  write: (signed) => signed,
});

/** To a peer, or from the server to one. */
export const textMessage = message({
  type: 'text',
  routes: [peerToPeer, serverToClient],
  content: signedText,
  answers: [okMessage],
  idOptional: true,
});

export const broadcastedMessage = message({
  type: 'broadcasted',
  routes: [serverToClient],
  header: {
    /** To how many it was handed. */
    reached: integer(),
    offline: integer(),
  },
});
export type Broadcasted = Parsed<typeof broadcastedMessage>;

/** For the server to hand on. */
export const broadcastMessage = message({
  type: 'broadcast',
  routes: [clientToServer],
  content: signedText,
  answers: [broadcastedMessage],
});

export function formatText(signed: SignedText, type: 'text' | 'broadcast' = 'text'): Message {
  return (type === 'text' ? textMessage : broadcastMessage).format(signed);
}

export const { parse: parseTextMessage } = textMessage;
export const { parse: parseBroadcasted, format: formatBroadcasted } = broadcastedMessage;
