/* How a machine becomes a member: two questions of the joiner (role `join`), two answers of the server. */
import { MAX_ENROL_BYTES } from '../limits.ts';
import { parseGrant, type InviteGrant } from '../trust/invite.ts';
import { parseClaims, parseMembership, type Membership, type MembershipClaims } from '../trust/membership.ts';
import { parseServerRecord, type ServerRecord } from '../trust/server-record.ts';
import { json } from './content.ts';
import { message, type Parsed } from './declaration.ts';
import { text } from './field.ts';
import { fieldsOf, textOf } from './json.ts';
import { joinerToServer, serverToJoiner } from './route.ts';

const KEY_OR_SIGNATURE = /^[A-Za-z0-9_-]{43,86}$/;

/** What both are about to sign. */
export const draftMessage = message({
  type: 'draft',
  routes: [serverToJoiner],
  content: json<MembershipClaims>({
    shape: 'claims of a membership',
    maxBytes: MAX_ENROL_BYTES,
    read: parseClaims,
    write: (claims) => claims,
  }),
});

export const enrolMessage = message({
  type: 'enrol',
  routes: [joinerToServer],
  header: { name: text({ max: 64 }) },
  content: json<{ readonly grant: InviteGrant }>({
    shape: '{ grant }',
    maxBytes: MAX_ENROL_BYTES,
    read: (value, what) => ({ grant: parseGrant(fieldsOf(value, what)['grant']) }),
    write: ({ grant }) => ({ grant }),
  }),
  answers: [draftMessage],
});
export type Enrol = Parsed<typeof enrolMessage>;

export interface Enrolled {
  readonly membership: Membership;
  readonly serverRecord: ServerRecord;
}

export const enrolledMessage = message({
  type: 'enrolled',
  routes: [serverToJoiner],
  content: json<Enrolled>({
    shape: '{ membership, serverRecord }',
    maxBytes: MAX_ENROL_BYTES,
    read: (value, what) => {
      const fields = fieldsOf(value, what);
      return {
        membership: parseMembership(fields['membership']),
        serverRecord: parseServerRecord(fields['serverRecord']),
      };
    },
    write: (enrolled) => enrolled,
  }),
});

export interface EnrolSign {
  readonly claims: MembershipClaims;
  readonly grant: InviteGrant;
  /** The joiner's public key, base64url. */
  readonly publicKey: string;
  readonly peerSignature: string;
  readonly inviteSignature: string;
}

export const enrolSignMessage = message({
  type: 'enrol-sign',
  routes: [joinerToServer],
  content: json<EnrolSign>({
    shape: '{ claims, grant, publicKey, peerSignature, inviteSignature }',
    maxBytes: MAX_ENROL_BYTES,
    read: (value, what) => {
      const fields = fieldsOf(value, what);
      const coded = (key: string): string => textOf(fields[key], key, { pattern: KEY_OR_SIGNATURE });
      return {
        claims: parseClaims(fields['claims']),
        grant: parseGrant(fields['grant']),
        publicKey: coded('publicKey'),
        peerSignature: coded('peerSignature'),
        inviteSignature: coded('inviteSignature'),
      };
    },
    write: (signed) => signed,
  }),
  answers: [enrolledMessage],
});

export const { parse: parseEnrol, format: formatEnrol } = enrolMessage;
export const { parse: parseDraft, format: formatDraft } = draftMessage;
export const { parse: parseEnrolSign, format: formatEnrolSign } = enrolSignMessage;
export const { parse: parseEnrolled, format: formatEnrolled } = enrolledMessage;
