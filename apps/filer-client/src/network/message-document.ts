import { iso } from '@filer/program';
import type { MessageDocument } from '../api/contract/peers.ts';
import type { KeptMessage } from '../store/message-store.ts';
import type { Member } from './member.ts';
import { SERVER_NAME } from './server-name.ts';

/** What the sender of a text is called now. @param serverName of the ip-server itself */
export function senderName(member: Member, id: string, serverName = SERVER_NAME): string {
  return member.isServer(id) ? serverName : (member.directory.byId(id)?.name ?? id.slice(0, 12));
}

export function messageDocument(member: Member, message: KeptMessage): MessageDocument {
  const { id, from, to, text, time, receivedAt, kept } = message;
  return {
    id,
    from: senderName(member, from),
    fromId: from,
    fromServer: member.isServer(from),
    to: to === member.id ? member.name : to,
    text,
    time: iso(time),
    receivedAt: iso(receivedAt),
    kept,
  };
}
