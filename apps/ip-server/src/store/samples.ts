import type { Heartbeat } from '@filer/protocol';
import type { Database, Statement } from './database.ts';
import type { HeartbeatAt } from './registry.ts';
import { document, integer, parseStoredHeartbeat, text } from './rows.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Samples of a minute are rolled up to hours after this; hours are kept for the other. */
const MINUTES_KEPT_MS = 2 * DAY_MS;
const HOURS_KEPT_MS = 400 * DAY_MS;

export interface Sample extends HeartbeatAt {
  readonly spanMs: number;
}

/** Heartbeats over time: one a minute for each machine, after two days one an hour. */
export class Samples {
  readonly #database: Database;
  readonly #insert: Statement;
  readonly #old: Statement;
  readonly #dropMinutes: Statement;
  readonly #dropHours: Statement;
  readonly #of: Statement;

  constructor(database: Database) {
    this.#database = database;
    this.#insert = database.prepare(
      'INSERT OR REPLACE INTO samples (peer, at, span_ms, heartbeat) VALUES (?, ?, ?, ?)',
    );
    this.#old = database.prepare(
      `SELECT peer, at, heartbeat FROM samples WHERE span_ms = ${MINUTE_MS} AND at < ? ORDER BY peer, at`,
    );
    this.#dropMinutes = database.prepare(`DELETE FROM samples WHERE span_ms = ${MINUTE_MS} AND at < ?`);
    this.#dropHours = database.prepare(`DELETE FROM samples WHERE span_ms = ${HOUR_MS} AND at < ?`);
    this.#of = database.prepare('SELECT at, span_ms, heartbeat FROM samples WHERE peer = ? ORDER BY at');
  }

  /** One sample for each machine; a second one in the same minute replaces the first. */
  save(heartbeats: ReadonlyMap<string, HeartbeatAt>): void {
    this.#database.transaction(() => {
      for (const [peer, { at, heartbeat }] of heartbeats) {
        this.#insert.run(peer, at - (at % MINUTE_MS), MINUTE_MS, JSON.stringify(heartbeat));
      }
    });
  }

  of(peer: string): Sample[] {
    return this.#of.all(peer).map((row) => ({
      at: integer(row, 'at'),
      spanMs: integer(row, 'span_ms'),
      heartbeat: document(text(row, 'heartbeat'), 'heartbeat', parseStoredHeartbeat),
    }));
  }

  /** Makes one sample an hour of those that are older than two days, and drops very old ones. */
  rollUp(now: number): void {
    const before = now - MINUTES_KEPT_MS - ((now - MINUTES_KEPT_MS) % HOUR_MS);
    this.#database.transaction(() => {
      const hours = new Map<string, { peer: string; at: number; heartbeats: Heartbeat[] }>();
      for (const row of this.#old.iterate(before)) {
        const peer = text(row, 'peer');
        const minute = integer(row, 'at');
        const at = minute - (minute % HOUR_MS);
        const hour = hours.get(`${peer} ${at}`) ?? { peer, at, heartbeats: [] };
        hour.heartbeats.push(document(text(row, 'heartbeat'), 'heartbeat', parseStoredHeartbeat));
        hours.set(`${peer} ${at}`, hour);
      }
      this.#dropMinutes.run(before);
      for (const { peer, at, heartbeats } of hours.values()) {
        this.#insert.run(peer, at, HOUR_MS, JSON.stringify(averageOf(heartbeats)));
      }
      this.#dropHours.run(now - HOURS_KEPT_MS);
    });
  }
}

/** What the hour was like; the uptime is the last one, since an average of it says nothing. */
function averageOf(heartbeats: readonly Heartbeat[]): Heartbeat {
  const average = (of: (heartbeat: Heartbeat) => number): number =>
    Math.round(heartbeats.reduce((sum, each) => sum + of(each), 0) / Math.max(1, heartbeats.length));
  return {
    uptimeMs: heartbeats.at(-1)?.uptimeMs ?? 0,
    loadHundredths: average((each) => each.loadHundredths),
    memoryTotalBytes: average((each) => each.memoryTotalBytes),
    memoryFreeBytes: average((each) => each.memoryFreeBytes),
    inboxFreeBytes: average((each) => each.inboxFreeBytes),
    transfers: average((each) => each.transfers),
    spooled: average((each) => each.spooled),
  };
}
