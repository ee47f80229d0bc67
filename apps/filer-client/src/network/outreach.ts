import type { Member } from './member.ts';
import type { ServerAccess } from './server-access.ts';

/** What dials peers, and how. */
export interface Outreach {
  readonly member: Member;
  readonly access: ServerAccess;
  readonly software: string;
}
