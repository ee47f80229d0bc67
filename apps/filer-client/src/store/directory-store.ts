import {
  parseJson,
  parseMembership,
  parsePeerRecord,
  type DirectoryEntry,
  type Membership,
  type PeerRecord,
  type PresenceState,
  MAX_DOCUMENT_BYTES,
  MAX_KNOWN_PEERS,
} from '@filer/protocol';
import { type Database, integerIn, KeyValues, NO_EVENTS, textIn } from '@filer/program';
import type { ClientEvents } from '../api/contract/events.ts';

/** A peer as this machine knows it. Its documents were checked before they were kept. */
export interface KnownPeer {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly membership: Membership;
  readonly record: PeerRecord | undefined;
  readonly state: PresenceState;
  /** ms since the epoch, 0 for never */
  readonly lastSeen: number;
}

/** Who a name belongs to on this machine, and who else has claimed it since. */
export interface Pin {
  readonly id: string;
  readonly claimedBy: string | undefined;
}

/** How far the directory of this home has come. */
export interface DirectoryPosition {
  readonly epoch: string;
  readonly seq: number;
}

/** What became of the entries of a page. */
export interface AppliedEntries {
  /** The peers whose presence they tell. */
  readonly told: readonly KnownPeer[];
  /** Machines that are not remembered, since there are too many. */
  readonly leftOut: number;
}

/** A directory that is full is looked through for machines that were removed so often, in ms. */
const SWEEP_EVERY_MS = 60_000;

/** The directory as this machine keeps it on disk, to continue working while the server is away. */
export class DirectoryStore {
  readonly #database: Database;
  readonly #settings: KeyValues;
  readonly #isRemoved: (id: string) => boolean;
  readonly #hasEnded: (membership: Membership) => boolean;
  readonly #maxPeers: number;
  readonly #events: ClientEvents;
  #sweptAt = -Infinity;

  /**
   * @param isRemoved whether the network has removed an id: its name may then go to another one
   * @param hasEnded whether a machine has left, as it has signed itself
   */
  constructor(
    database: Database,
    isRemoved: (id: string) => boolean,
    {
      maxPeers = MAX_KNOWN_PEERS,
      hasEnded = () => false,
      events = NO_EVENTS,
    }: {
      readonly maxPeers?: number;
      readonly hasEnded?: (membership: Membership) => boolean;
      readonly events?: ClientEvents;
    } = {},
  ) {
    this.#hasEnded = hasEnded;
    this.#database = database;
    this.#settings = new KeyValues(database, 'settings');
    this.#isRemoved = isRemoved;
    this.#maxPeers = maxPeers;
    this.#events = events;
  }

  get position(): DirectoryPosition {
    return {
      epoch: this.#settings.get('directory.epoch') ?? '',
      seq: Number(this.#settings.get('directory.seq') ?? '0'),
    };
  }

  /** When the directory was last known to be the server's, in ms since the epoch; undefined before the first time. */
  get asOf(): number | undefined {
    const value = this.#settings.get('directory.asOf');
    return value === undefined ? undefined : Number(value);
  }

  /** Notes that the directory was as the server's until now. @param time ms since the epoch */
  touch(time: number): void {
    this.#settings.set('directory.asOf', String(time));
  }

  /** Everyone, by name. */
  peers(): KnownPeer[] {
    return this.#database
      .prepare('SELECT * FROM peers ORDER BY name, id')
      .all()
      .map((row) => this.#read(row));
  }

  byId(id: string): KnownPeer | undefined {
    const row = this.#database.prepare('SELECT * FROM peers WHERE id = ?').get(id);
    return row === undefined ? undefined : this.#read(row);
  }

  #byHandle(handle: number): KnownPeer | undefined {
    const row = this.#database.prepare('SELECT * FROM peers WHERE handle = ?').get(handle);
    return row === undefined ? undefined : this.#read(row);
  }

  /** Where two ids have claimed a name and only one of them still bears it, the name is that one's. */
  pin(name: string): Pin | undefined {
    const row = this.#database.prepare('SELECT id, claimed_by FROM pins WHERE name = ?').get(name);
    if (row === undefined) return undefined;
    const id = textIn(row, 'id');
    if (row['claimed_by'] === null) return { id, claimedBy: undefined };
    const claimedBy = textIn(row, 'claimed_by');
    if (!this.#bears(claimedBy, name)) return { id, claimedBy: undefined };
    return this.#bears(id, name) ? { id, claimedBy } : { id: claimedBy, claimedBy: undefined };
  }

  /** What the server says of a machine, unless the machine itself has signed that it left. */
  #read(row: Record<string, unknown>): KnownPeer {
    const peer = readPeer(row);
    return this.#hasEnded(peer.membership) ? { ...peer, state: 'gone' } : peer;
  }

  /** The owner of a name loses it by a signed removal, or by a signed membership with another name. */
  #bears(id: string, name: string): boolean {
    return !this.#isRemoved(id) && this.byId(id)?.name === name;
  }

  /** Gives a name to its newest claimant: the user has said so. */
  trust(name: string, id: string): void {
    this.#database.prepare('UPDATE pins SET id = ?, claimed_by = NULL WHERE name = ?').run(id, name);
  }

  /** Forgets where the directory stands: everything comes again. Pins, records and memberships stay. */
  restart(epoch: string): void {
    this.#database.transaction(() => {
      // Who the server does not know any more must not stay online forever.
      this.#database.exec(
        "UPDATE peers SET handle = NULL, state = CASE state WHEN 'online' THEN 'lost' ELSE state END",
      );
      this.#settings.set('directory.epoch', epoch);
      this.#settings.set('directory.seq', '0');
    });
    this.#events.publish('directory', {});
  }

  /** Takes in checked entries and the position that they lead to. */
  apply(entries: readonly DirectoryEntry[], position: { seq: number; time: number }): AppliedEntries {
    const applied = this.#database.transaction(() => {
      const leftOut = entries.filter((entry) => !this.#apply(entry)).length;
      this.#settings.set('directory.seq', String(position.seq));
      this.#settings.set('directory.asOf', String(position.time));
      const told = entries.flatMap((entry) =>
        entry.kind === 'presence' ? (this.#byHandle(entry.handle) ?? []) : [],
      );
      return { told, leftOut };
    });
    if (entries.length > 0) this.#events.publish('directory', {});
    return applied;
  }

  /**
   * Takes in a checked membership that its owner showed itself.
   *
   * @returns the newest membership of that peer: the one with the higher serial
   */
  learn(membership: Membership): Membership {
    return this.#database.transaction(() => {
      const { serial } = this.byId(membership.id)?.membership ?? { serial: 0 };
      this.#keepMember(membership, undefined);
      const newest = this.byId(membership.id)?.membership ?? membership;
      if (newest.serial > serial) this.#events.publish('directory', {});
      return newest;
    });
  }

  /** @returns false when there is no room for it */
  #apply(entry: DirectoryEntry): boolean {
    if (entry.kind === 'member') {
      return this.#keepMember(entry.membership, entry.handle);
    } else if (entry.kind === 'record') {
      const known = this.byId(entry.record.id)?.record;
      // A server that rolls back an older record does not get it past its seq.
      if (known !== undefined && known.seq > entry.record.seq) return true;
      this.#database
        .prepare('UPDATE peers SET record = ? WHERE id = ?')
        .run(JSON.stringify(entry.record), entry.record.id);
    } else {
      this.#database
        .prepare('UPDATE peers SET state = ?, last_seen = ? WHERE handle = ?')
        .run(entry.state, entry.lastSeen, entry.handle);
    }
    return true;
  }

  /** @returns false when it is a new machine's, and there is no room for one */
  #keepMember(membership: Membership, handle: number | undefined): boolean {
    const { id, name } = membership;
    if (handle !== undefined) {
      this.#database.prepare('UPDATE peers SET handle = NULL WHERE handle = ? AND id <> ?').run(handle, id);
      this.#database.prepare('UPDATE peers SET handle = ? WHERE id = ?').run(handle, id);
    }
    const known = this.byId(id);
    if (known === undefined) {
      if (!this.#hasRoom()) return false;
      this.#database
        .prepare('INSERT INTO peers (id, handle, name, membership) VALUES (?, ?, ?, ?)')
        .run(id, handle ?? null, name, JSON.stringify(membership));
    } else if (membership.serial > known.membership.serial) {
      this.#database
        .prepare('UPDATE peers SET name = ?, membership = ? WHERE id = ?')
        .run(name, JSON.stringify(membership), id);
    } else if (membership.serial < known.membership.serial) {
      return true;
    }
    this.#pin(name, id);
    return true;
  }

  /** A machine is forgotten for another one only when its removal is signed: what a server says of it must not unpin its name. */
  #hasRoom(): boolean {
    const full = (): boolean => this.#count('peers') >= this.#maxPeers;
    if (!full()) return true;
    if (performance.now() - this.#sweptAt < SWEEP_EVERY_MS) return false;
    this.#sweptAt = performance.now();
    const forget = this.#database.prepare('DELETE FROM peers WHERE id = ?');
    for (const row of this.#database.prepare('SELECT id FROM peers').all()) {
      if (this.#isRemoved(textIn(row, 'id'))) forget.run(textIn(row, 'id'));
    }
    return !full();
  }

  #count(table: 'peers' | 'pins'): number {
    return integerIn(this.#database.prepare(`SELECT count(*) AS rows FROM ${table}`).get() ?? {}, 'rows');
  }

  #pin(name: string, id: string): void {
    const pin = this.pin(name);
    if (pin === undefined) {
      if (this.#count('pins') >= 2 * this.#maxPeers) this.#forgetGivenUpNames();
      this.#database.prepare('INSERT INTO pins (name, id) VALUES (?, ?)').run(name, id);
    } else if (pin.id !== id) {
      if (this.#bears(pin.id, name))
        this.#database.prepare('UPDATE pins SET claimed_by = ? WHERE name = ?').run(id, name);
      else this.trust(name, id);
    }
  }

  /** A name that none bears who claimed it goes to the next one, whether it is remembered or not. */
  #forgetGivenUpNames(): void {
    this.#database.exec(
      `DELETE FROM pins WHERE NOT EXISTS
         (SELECT 1 FROM peers WHERE peers.name = pins.name AND peers.id IN (pins.id, pins.claimed_by))`,
    );
  }
}

function readPeer(row: Record<string, unknown>): KnownPeer {
  const membership = parseMembership(
    parseJson(Buffer.from(textIn(row, 'membership')), 'a kept membership', MAX_DOCUMENT_BYTES),
  );
  const record = row['record'];
  return {
    id: textIn(row, 'id'),
    name: textIn(row, 'name'),
    groups: membership.groups,
    membership,
    record:
      typeof record === 'string'
        ? parsePeerRecord(parseJson(Buffer.from(record), 'a kept record', MAX_DOCUMENT_BYTES))
        : undefined,
    state: readState(textIn(row, 'state')),
    lastSeen: integerIn(row, 'last_seen'),
  };
}

function readState(state: string): PresenceState {
  return state === 'online' || state === 'stopped' || state === 'gone' ? state : 'lost';
}
