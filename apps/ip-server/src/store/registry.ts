import type {
  FilerError,
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

/** What is known of one machine, forever: one that has gone keeps its row. */
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
  /** The server that holds its session, or held its last one, as far as the store says so. */
  readonly server?: string | undefined;
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

/** A folder in which all servers of a store keep files. */
export interface FilesFolder {
  /** The same path at all servers. */
  readonly folder: string;
  /** What it says of itself: another folder at that path says something else. */
  readonly id: string;
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
}

/** Why an invite does not admit. */
export type InviteRefusal = 'unknown' | 'revoked' | 'expired' | 'used-up';

/** Why a membership does not count: another one has its name, its machine was removed, or a newer one or a leave is known. */
export type MembershipRefusal = 'name-taken' | 'removed' | 'older';

/** A member as the registry has it after a change, and the position that the change was given. */
export interface Changed {
  readonly member: Member;
  readonly seq: number;
}

/** The position of the end of a membership, and its member; undefined for a machine that never was one, or is one still. */
export interface Ended {
  readonly member: Member | undefined;
  readonly seq: number;
}

export interface PresenceChange {
  readonly handle: number;
  readonly state: PresenceState;
  readonly lastSeen: number;
  readonly software: string;
}

/** The positions of changes of presence, in their order. */
export interface PresenceSaved {
  readonly seqs: readonly number[];
  /** Why they are not stored yet: they will be with the next ones. */
  readonly problem: FilerError | undefined;
}

/** What changed in a registry after a position. */
export interface RegistryChanges {
  /** The newest position: the next question begins there. */
  readonly seq: number;
  readonly members: readonly Member[];
  readonly removals: readonly Removal[];
  readonly leaves: readonly Leave[];
  /** The runs of a registry that several servers share. */
  readonly runs?: readonly Run[] | undefined;
}

/** Where a server was reached when it last listened. */
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
 * Who is there: members, invites, removals and the positions of the directory. Several servers can share one registry that is kept
 * by a shared engine.
 *
 * Each method is one transaction and rejects with a FilerError when the store fails; nothing has changed then. Positions are given
 * by the registry, in the order of the transactions.
 */
export interface Registry {
  /** Whether other servers may change it, too: what they do is found by `changes`. */
  readonly isShared?: boolean;
  /** Made with the store: another epoch means that nothing known of this directory holds. */
  readonly epoch: string;
  /** The newest directory position. */
  seq(): Promise<number>;
  /**
   * Positions are given out from now on: the first one is `from`, or the next one after all that are stored.
   *
   * @returns the runs of which this one is the last
   */
  beginRun(from: number): Promise<readonly Run[]>;
  founding(): Promise<Founding | undefined>;
  found(founding: Founding): Promise<void>;
  /** In order of joining. */
  members(): Promise<Member[]>;
  /** What changed after a position: how another reader, or another server, keeps up. */
  changes(since: number): Promise<RegistryChanges>;
  /**
   * Counts the use of the invite and keeps the member. A machine that repeats how it became the member that it is uses no invite
   * again: it is returned with the position that it has.
   */
  admit(admission: Admission): Promise<Changed | InviteRefusal | MembershipRefusal>;
  /** The same for several in one transaction, where that saves waiting for the disk. @default one after the other */
  admitAll?(
    admissions: readonly Admission[],
  ): Promise<readonly (Changed | InviteRefusal | MembershipRefusal)[]>;
  /** A newer membership of a member. */
  amend(membership: Membership): Promise<Changed | MembershipRefusal>;
  /** Keeps a record of a member if it is newer. @returns undefined when it is not */
  saveRecord(record: PeerRecord): Promise<Changed | undefined>;
  /** Ends a membership by its own wish. @param signed keeps a later membership, and is kept for the others */
  leave(id: string, signed?: Leave): Promise<Ended>;
  /** Appends to the list, and ends the membership if there is one. */
  remove(removal: Removal): Promise<Ended>;
  /**
   * Positions are given also while the store fails, where it is this server's alone: presence continues meanwhile.
   *
   * @param server that saw it. Of a machine whose session is at another server meanwhile, only that it is online counts
   */
  savePresence(changes: readonly PresenceChange[], server?: string): Promise<PresenceSaved>;
  saveHeartbeats(heartbeats: ReadonlyMap<string, HeartbeatAt>): Promise<void>;
  removals(): Promise<Removal[]>;
  leaves(): Promise<Leave[]>;
  addInvite(grant: InviteGrant): Promise<void>;
  invite(id: string): Promise<InviteEntry | undefined>;
  invites(): Promise<InviteEntry[]>;
  /** @returns whether there is such an invite */
  revokeInvite(id: string, now: number): Promise<boolean>;
  /** The trusted time of a server, by its id, as it was last stored. */
  trustedTime(server: string): Promise<SavedTrust | undefined>;
  saveTrustedTime(server: string, trust: SavedTrust): Promise<void>;
  listenedAt(server: string): Promise<ListenedAt | undefined>;
  saveListenedAt(server: string, listened: ListenedAt): Promise<void>;
  /** Undefined while each server keeps files in its home. */
  filesFolder(): Promise<FilesFolder | undefined>;
  saveFilesFolder(folder: FilesFolder | undefined): Promise<void>;
  /** @param server its id: an engine for one server keeps one record */
  serverRecord(server: string): Promise<ServerRecord | undefined>;
  saveServerRecord(record: ServerRecord): Promise<void>;
}
