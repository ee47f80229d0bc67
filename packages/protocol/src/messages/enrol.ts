/*
 * How a machine becomes a member: two questions of the joiner (role `join`), two answers of the server.
 *
 *   enrol       joiner → server   id, name; content JSON { grant }
 *   draft       server → joiner   re; content JSON claims: what both are about to sign
 *   enrol-sign  joiner → server   id; content JSON { claims, grant, publicKey, peerSignature,
 *                                   inviteSignature }
 *   enrolled    server → joiner   re; content JSON { membership, serverRecord }
 *
 * `leave` (a member's own wish) is answered `ok`.
 */
import { requireText, type Message } from '../header.ts';
import { MAX_ENROL_BYTES } from '../limits.ts';
import { parseGrant, type InviteGrant } from '../trust/invite.ts';
import { parseClaims, parseMembership, type Membership, type MembershipClaims } from '../trust/membership.ts';
import { parseServerRecord, type ServerRecord } from '../trust/server-record.ts';
import { fieldsOf, formatJson, parseJson, textOf } from './json.ts';
import { expectType } from './session.ts';

const KEY_OR_SIGNATURE = /^[A-Za-z0-9_-]{43,86}$/;

export interface Enrol {
  readonly name: string;
  readonly grant: InviteGrant;
}

export function formatEnrol({ name, grant }: Enrol): Message {
  return { header: { type: 'enrol', name }, content: formatJson({ grant }) };
}

/** @throws FilerError `message-malformed` */
export function parseEnrol({ header, content }: Message): Enrol {
  const fields = fieldsOf(parseJson(content, 'enrol', MAX_ENROL_BYTES), 'enrol');
  return {
    name: textOf(requireText(header, 'name'), 'name', { max: 64 }),
    grant: parseGrant(fields['grant']),
  };
}

export function formatDraft(claims: MembershipClaims): Message {
  return { header: { type: 'draft' }, content: formatJson(claims) };
}

/** @throws FilerError `message-malformed` */
export function parseDraft({ header, content }: Message): MembershipClaims {
  expectType(header, 'draft');
  return parseClaims(parseJson(content, 'draft', MAX_ENROL_BYTES));
}

export interface EnrolSign {
  readonly claims: MembershipClaims;
  readonly grant: InviteGrant;
  /** The joiner's public key, base64url. */
  readonly publicKey: string;
  readonly peerSignature: string;
  readonly inviteSignature: string;
}

export function formatEnrolSign(signed: EnrolSign): Message {
  return { header: { type: 'enrol-sign' }, content: formatJson(signed) };
}

/** @throws FilerError `message-malformed` */
export function parseEnrolSign({ content }: Message): EnrolSign {
  const fields = fieldsOf(parseJson(content, 'enrol-sign', MAX_ENROL_BYTES), 'enrol-sign');
  const bytes = (key: string): string => textOf(fields[key], key, { pattern: KEY_OR_SIGNATURE });
  return {
    claims: parseClaims(fields['claims']),
    grant: parseGrant(fields['grant']),
    publicKey: bytes('publicKey'),
    peerSignature: bytes('peerSignature'),
    inviteSignature: bytes('inviteSignature'),
  };
}

export interface Enrolled {
  readonly membership: Membership;
  readonly serverRecord: ServerRecord;
}

export function formatEnrolled(enrolled: Enrolled): Message {
  return { header: { type: 'enrolled' }, content: formatJson(enrolled) };
}

/** @throws FilerError `message-malformed` */
export function parseEnrolled({ header, content }: Message): Enrolled {
  expectType(header, 'enrolled');
  const fields = fieldsOf(parseJson(content, 'enrolled', MAX_ENROL_BYTES), 'enrolled');
  return {
    membership: parseMembership(fields['membership']),
    serverRecord: parseServerRecord(fields['serverRecord']),
  };
}
