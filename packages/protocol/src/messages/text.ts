/*
 * Words for people, always signed by who wrote them.
 *
 *   text       to a peer, or from the server to a peer   content JSON: the signed text; with id answered `ok`
 *   broadcast  client → server   id; content JSON: the signed text; answered `broadcasted`
 *   broadcasted  server → client re, reached, offline: to how many it was handed, and who was not there
 */
import { requireInteger, type Message } from '../header.ts';
import { MAX_TEXT_DOCUMENT_BYTES } from '../limits.ts';
import { parseText, type SignedText } from '../trust/text.ts';
import { formatJson, parseJson } from './json.ts';
import { expectType } from './session.ts';

export function formatText(text: SignedText, type: 'text' | 'broadcast' = 'text'): Message {
  return { header: { type }, content: formatJson(text) };
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export function parseTextMessage({ content }: Message): SignedText {
  return parseText(parseJson(content, 'text', MAX_TEXT_DOCUMENT_BYTES));
}

export interface Broadcasted {
  readonly reached: number;
  readonly offline: number;
}

export function formatBroadcasted({ reached, offline }: Broadcasted): Message {
  return {
    header: { type: 'broadcasted', reached: String(reached), offline: String(offline) },
    content: Buffer.alloc(0),
  };
}

/** @throws FilerError `message-malformed` */
export function parseBroadcasted({ header }: Message): Broadcasted {
  expectType(header, 'broadcasted');
  return { reached: requireInteger(header, 'reached'), offline: requireInteger(header, 'offline') };
}
