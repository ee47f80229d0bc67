import type {
  Heartbeat,
  InviteGrant,
  Leave,
  Membership,
  PeerRecord,
  PresenceState,
  Removal,
  ServerRecord,
} from '@filer/protocol';
import type { SavedTrust } from '@filer/program';

/** Positions of the directory from one start of a server to its end, both included. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

/** `left` by its own wish: it may join again. `removed` by the network: it may not. */
export type MemberStatus = 'member' | 'left' | 'removed';

/** What is known of one machine, for ever: one that has gone keeps its row. */
export interface Member {
  /** Its short name in the directory, within the epoch. */
  readonly handle: number;
  readonly status: MemberStatus;
  readonly membership: Membership;
  readonly memberSeq: number;
  readonly record: PeerRecord | undefined;
  /** 0 while there is no record. */
  readonly recordSeq: number;
  readonly presence: PresenceState;
  /** ms since the epoch, by the server's clock */
  readonly lastSeen: number;
  readonly presenceSeq: number;
  readonly software: string;
  readonly heartbeat: HeartbeatAt | undefined;
}

export interface HeartbeatAt {
  /** When it came, in ms since the epoch, by the server's clock. */
  readonly at: number;
  readonly heartbeat: Heartbeat;
}

/** An invite as the server keeps it. */
export interface InviteEntry {
  readonly grant: InviteGrant;
  readonly used: number;
  readonly revokedAt: number | undefined;
}

/** A machine becomes a member. */
export interface Admission {
  readonly membership: Membership;
  /**
   * Whether it uses the invite now, which must still admit. Of a machine that used it before and is taken in with its
   * membership, the use is counted whatever the invite's limits are.
   */
  readonly countsUse: boolean;
  readonly now: number;
  readonly seq: number;
}

export interface PresenceChange {
  readonly handle: number;
  readonly state: PresenceState;
  readonly lastSeen: number;
  readonly software: string;
  readonly seq: number;
}

/** Where the server was reached when it last listened. */
export interface ListenedAt {
  readonly host: string;
  readonly port: number;
  readonly advertise: readonly string[];
}

/** Which network and server a home is. */
export interface Founding {
  readonly network: string;
  /** base64url */
  readonly networkKey: string;
  readonly server: string;
}

/**
 * Who is there: members, invites, removals and the directory's position. This is the seam of design section 12:
 * several servers can share one registry when it lies on a shared engine.
 *
 * Each method is one transaction and throws a FilerError when the store fails; nothing has changed then.
 */
export interface Registry {
  /** Made with the database: another epoch means that nothing known of this directory holds. */
  readonly epoch: string;
  /** The newest directory position. */
  readonly seq: number;
  /** The positions given out by each run of a server; undefined for a database that has kept none. */
  runs(): Run[] | undefined;
  /** @param seq the first position of the newest run */
  saveRuns(runs: readonly Run[], seq: number): void;
  founding(): Founding | undefined;
  found(founding: Founding): void;
  members(): Member[];
  /** @returns why the invite does not admit any more, or the member as it now is */
  admit(admission: Admission): Member | InviteRefusal;
  /** A newer membership of a member. */
  amend(membership: Membership, seq: number): void;
  /** The newer of two records has the higher seq of its own; the caller compared. */
  saveRecord(record: PeerRecord, seq: number): void;
  /** Ends a membership by its own wish. */
  leave(id: string, seq: number): void;
  /** Appends to the list, and ends the membership if there is one. */
  remove(removal: Removal, seq: number): void;
  savePresence(changes: readonly PresenceChange[], seq: number): void;
  saveHeartbeats(heartbeats: ReadonlyMap<string, HeartbeatAt>): void;
  removals(): Removal[];
  leaves(): Leave[];
  saveLeave(leave: Leave): void;
  addInvite(grant: InviteGrant): void;
  invite(id: string): InviteEntry | undefined;
  invites(): InviteEntry[];
  /** @returns whether there is such an invite */
  revokeInvite(id: string, now: number): boolean;
  /** The trusted time as it was last stored. */
  trustedTime(): SavedTrust | undefined;
  saveTrustedTime(trust: SavedTrust): void;
  serverRecord(): ServerRecord | undefined;
  saveServerRecord(record: ServerRecord): void;
  listenedAt(): ListenedAt | undefined;
  saveListenedAt(listened: ListenedAt): void;
}

/** Why an invite does not admit. */
export type InviteRefusal = 'unknown' | 'revoked' | 'expired' | 'used-up';
