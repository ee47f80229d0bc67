import {
  FilerError,
  signText,
  TEXT_BYTES_AT_ONCE,
  TEXT_ROW_BYTES,
  TEXT_VALID_MS,
  verifyText,
  type SignedText,
} from '@filer/protocol';
import type { Member } from './member.ts';
import { checkPin } from './pins.ts';

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
 * Takes a text that arrived: signed by a member, meant for us, new, and not from another age.
 *
 * @param directFrom the peer on the connection; undefined when the server passed the text on
 * @returns the text, or undefined when it is known already
 * @throws FilerError `signature-invalid`, `refused`, `not-a-member`, `removed`, `identity-changed`, `rate-limited`,
 *   `no-space`
 */
export function takeText(
  member: Member,
  text: SignedText,
  directFrom: string | undefined,
  nowMs: number,
): SignedText | undefined {
  verifyText(text, member.network);
  if (directFrom !== undefined && text.from !== directFrom) {
    throw new FilerError(
      'refused',
      'a text is taken only from the machine that signed it, or from the server',
    );
  }
  const fromServer = text.from === member.server.id && directFrom === undefined;
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
  if (member.messages.has(text)) return undefined;
  countText(member, text);
  return member.messages.add(text, member.clock.stamp()) ? text : undefined;
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
