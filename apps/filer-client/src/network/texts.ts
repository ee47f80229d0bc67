import {
  FilerError,
  signText,
  TEXT_BYTES_AT_ONCE,
  TEXT_ROW_BYTES,
  TEXT_VALID_MS,
  verifyText,
  type SignedText,
} from '@filer/protocol';
import { iso } from '@filer/program';
import type { Member } from './member.ts';
import { checkPin } from './pins.ts';
import { SERVER_NAME } from './server-name.ts';

/**
 * Signs words of this machine.
 *
 * @param to a peer's id, `@group` or `@all`
 * @throws FilerError `too-large`
 */
export function composeText(member: Member, to: string, text: string, nowMs: number): SignedText {
  return signText(member.identity, { network: member.network, to, time: nowMs, text });
}

/**
 * Keeps a text that arrived, and publishes it as an event unless it is known already: signed by a member, meant for us, and
 * not from another age.
 *
 * @param directFrom the peer on the connection; undefined when the server passed the text on
 * @throws FilerError `signature-invalid`, `refused`, `not-a-member`, `removed`, `identity-changed`, `rate-limited`,
 *   `no-space`
 */
export function takeText(
  member: Member,
  text: SignedText,
  directFrom: string | undefined,
  nowMs: number,
): void {
  verifyText(text, member.network);
  if (directFrom !== undefined && text.from !== directFrom) {
    throw new FilerError(
      'refused',
      'a text is taken only from the machine that signed it, or from the server',
    );
  }
  const fromServer = member.isServer(text.from) && directFrom === undefined;
  if (!fromServer && directFrom === undefined) {
    const sender = member.directory.byId(text.from);
    if (sender === undefined) {
      throw new FilerError('not-a-member', `a text of ${text.from}, who is not in the directory`);
    }
    checkPin(member, sender);
  }
  if (member.removals.has(text.from))
    throw new FilerError('removed', `a text of ${text.from}, who was removed`);
  if (!isForUs(member, text.to))
    throw new FilerError('refused', `a text for ${text.to} is not for this machine`);
  if (Math.abs(nowMs - text.time) > TEXT_VALID_MS) {
    throw new FilerError(
      'refused',
      'the text is dated more than a day from now: check the clocks of both machines',
    );
  }
  if (member.messages.has(text)) return;
  countText(member, text);
  if (member.messages.add(text, member.clock.stamp())) publishText(member, text);
}

function publishText(member: Member, { id, from, to, text, time }: SignedText): void {
  const fromServer = member.isServer(from);
  const sender = fromServer ? SERVER_NAME : member.directory.byId(from)?.name;
  member.events.publish('message', {
    id,
    from: sender ?? from.slice(0, 12),
    fromId: from,
    fromServer,
    to: to === member.id ? member.name : to,
    text,
    time: iso(time),
  });
}

/** @throws FilerError `rate-limited` when its sender, who has signed it, has sent too much within a minute; `no-space` */
function countText({ name, textRates, room }: Member, { from, text }: SignedText): void {
  const [bytes, now] = [TEXT_ROW_BYTES + Buffer.byteLength(text), performance.now()];
  if (textRates.tryTake(from, bytes, now)) {
    room.require(bytes);
    return;
  }
  const seconds = Math.ceil(textRates.waitMs(from, bytes, now) / 1_000);
  throw new FilerError(
    'rate-limited',
    `${name} takes at most ${TEXT_BYTES_AT_ONCE / 1024} KiB of messages a minute from one machine: try again in ${seconds} s`,
  );
}

function isForUs(member: Member, to: string): boolean {
  if (to === member.id || to === '@all') return true;
  return to.startsWith('@') && member.groups.includes(to.slice(1));
}
