import type { StageHook, StageWord } from '@filer/protocol';
import { integerIn, textIn, type Database, type Statements } from '@filer/program';
import { StageFiles } from './stage-files.ts';
import { readStage, type Journal, type KeptStage, type KeptStageState, type NewStage } from './stage-rows.ts';

/** How a switch ended. */
export interface SwitchEnd {
  /** Of its names, absolute. */
  readonly folder: string;
  readonly word: StageWord;
  /** The program that is to be run; undefined for none. */
  readonly hook: StageHook | undefined;
  readonly now: number;
}

/** Jobs that were sent here with `--stage`, what is in each, and how each stands. */
export class StageStore {
  /** What is in each. */
  readonly files: StageFiles;
  readonly #database: Database;
  readonly #statements: Statements<typeof STATEMENTS>;

  constructor(database: Database) {
    this.#database = database;
    this.files = new StageFiles(database);
    this.#statements = database.prepareAll(STATEMENTS);
  }

  find(sender: string, job: string): KeptStage | undefined {
    const row = this.#database.prepare('SELECT * FROM stages WHERE sender = ? AND job = ?').get(sender, job);
    return row === undefined ? undefined : readStage(row);
  }

  /** The one that fills a hidden folder. */
  inFolder(sender: string, hidden: string): KeptStage | undefined {
    const row = this.#database
      .prepare('SELECT * FROM stages WHERE sender = ? AND hidden = ?')
      .get(sender, hidden);
    return row === undefined ? undefined : readStage(row);
  }

  byId(id: number): KeptStage | undefined {
    const row = this.#database.prepare('SELECT * FROM stages WHERE id = ?').get(id);
    return row === undefined ? undefined : readStage(row);
  }

  /** Oldest first: of one sender, or of all. */
  list(sender?: string): KeptStage[] {
    return this.#database
      .prepare('SELECT * FROM stages WHERE ?1 IS NULL OR sender = ?1 ORDER BY id')
      .all(sender ?? null)
      .map(readStage);
  }

  begin(stage: NewStage, now: number): KeptStage {
    const { sender, job, senderName, folder, hidden, mirror, overwrite, note } = stage;
    this.#database
      .prepare(
        `INSERT INTO stages (sender, job, sender_name, folder, hidden, mirror, overwrite, note, state, changed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'receiving', ?)
         ON CONFLICT DO UPDATE SET state = 'receiving', changed_at = excluded.changed_at, mirror = excluded.mirror,
           overwrite = excluded.overwrite, note = excluded.note, word = NULL`,
      )
      .run(sender, job, senderName, folder, hidden, mirror ? 1 : 0, overwrite ? 1 : 0, note, now);
    const begun = this.find(sender, job);
    if (begun === undefined) throw new Error('the stage was kept a moment ago');
    return begun;
  }

  /** All of it is there. @param sums of what `put` noted */
  seal(
    id: number,
    { tops, word, now }: { readonly tops: readonly string[]; readonly word: StageWord; readonly now: number },
    entries: number,
  ): void {
    this.#database
      .prepare(
        `UPDATE stages SET state = 'staged', tops = ?, files = ?, bytes = ?, entries = ?, word = ?, changed_at = ? WHERE id = ?`,
      )
      .run(JSON.stringify(tops), word.files, word.bytes, entries, JSON.stringify(word), now, id);
  }

  /** A switch begins: from here on it is brought to its end, by this process or the next one. */
  beginSwitch(id: number, state: 'releasing' | 'rolling-back', journal: Journal, removed: number): void {
    this.#database
      .prepare('UPDATE stages SET state = ?, journal = ?, removed = ? WHERE id = ?')
      .run(state, JSON.stringify(journal), removed, id);
  }

  /** A switch did not take place. */
  undo(id: number, state: KeptStageState): void {
    this.#database.prepare('UPDATE stages SET state = ?, journal = NULL WHERE id = ?').run(state, id);
  }

  /**
   * What the job brought has its names: it is the sender's, and in the inbox.
   *
   * @param before `had`: tops that were something before; `missing`: what the sender had delivered and was not there any more
   */
  released(
    stage: KeptStage,
    end: SwitchEnd,
    { had, missing }: { readonly had: readonly string[]; readonly missing: readonly string[] },
  ): void {
    const { id, sender, senderName, job, note, tops } = stage;
    const { folder, now } = end;
    const above = `${folder}/`;
    const statements = this.#statements;
    this.#database.transaction(() => {
      this.files.clear(id, 'before');
      for (const top of tops) {
        const path = `${above}${top}`;
        statements.keepBefore.run(id, folder, sender, path, `${path}/`, `${path}0`);
      }
      for (const path of missing) statements.missing.run(id, path);
      for (const top of had) statements.had.run(id, top);
      statements.forgetSet.run(above, id, sender);
      statements.forgetGone.run(above, id, sender);
      statements.unlist.run(above, id, sender);
      statements.deliver.run(above, sender, job, id);
      statements.list.run(job, sender, senderName, above, now, note, id);
      this.#end(id, 'released', end);
      statements.inOrder.run(id);
    });
  }

  /** What was there before has its names again. */
  rolledBack({ id, sender, job }: KeptStage, end: SwitchEnd): void {
    const above = `${end.folder}/`;
    this.#database.transaction(() => {
      this.#statements.forgetOwnSet.run(above, id, sender);
      this.#statements.relist.run(above, id, sender);
      this.#statements.redeliver.run(above, sender, id);
      this.#database.prepare('DELETE FROM inbox WHERE sender = ? AND job = ?').run(sender, job);
      this.files.clear(id, 'before');
      this.#end(id, 'rolled-back', end);
    });
  }

  /** Time that was counted has not passed: all stages are so much younger. */
  postpone(ms: number): void {
    this.#database.prepare('UPDATE stages SET changed_at = changed_at + ?').run(ms);
  }

  /** What its folder held is removed, or about to be. */
  close(id: number, state: 'closed' | 'dropped', now: number): void {
    this.#database.transaction(() => {
      this.#database.prepare('DELETE FROM stage_files WHERE stage = ?').run(id);
      this.#database.prepare('UPDATE stages SET state = ?, changed_at = ? WHERE id = ?').run(state, now, id);
    });
  }

  forget(id: number): void {
    this.#database.transaction(() => {
      this.#database.prepare('DELETE FROM stage_files WHERE stage = ?').run(id);
      this.#database.prepare('DELETE FROM stages WHERE id = ?').run(id);
    });
  }

  /** How its program ended, unless the stage was released or rolled back since: then that has a run of its own. */
  hookEnded({ id, word }: Pick<KeptStage, 'id' | 'word'>, hook: StageHook): void {
    this.#database.transaction(() => {
      if (this.byId(id)?.word?.signature !== word?.signature) return;
      this.#database.prepare('UPDATE stages SET hook = ? WHERE id = ?').run(JSON.stringify(hook), id);
    });
  }

  /** Programs that have not come to their end never will. */
  endHooks(as: StageHook): void {
    this.#database
      .prepare(
        `UPDATE stages SET hook = ? WHERE hook IS NOT NULL AND json_extract(hook, '$.state') = 'running'`,
      )
      .run(JSON.stringify(as));
  }

  /**
   * One whose program has not come to its end: of the sender whose last turn is longest ago.
   *
   * @param turnOf when a sender had its turn last, counted up; 0 for never
   */
  nextHook(turnOf: (sender: string) => number): KeptStage | undefined {
    const [row] = this.#database
      .prepare(
        "SELECT id, sender FROM stages WHERE hook IS NOT NULL AND json_extract(hook, '$.state') = 'running' ORDER BY changed_at",
      )
      .all()
      .toSorted((a, b) => turnOf(textIn(a, 'sender')) - turnOf(textIn(b, 'sender')));
    return row === undefined ? undefined : this.byId(integerIn(row, 'id'));
  }

  #end(id: number, state: KeptStageState, { word, hook, now }: SwitchEnd): void {
    this.#database
      .prepare('UPDATE stages SET state = ?, journal = NULL, word = ?, hook = ?, changed_at = ? WHERE id = ?')
      .run(state, JSON.stringify(word), hook === undefined ? null : JSON.stringify(hook), now, id);
  }
}

const OF_SET = "SELECT ?1 || path FROM stage_files WHERE stage = ?2 AND side = 'set'";

const STATEMENTS = {
  keepBefore: `
    INSERT OR REPLACE INTO stage_files (stage, side, path, kind, content, size, mtime_ns, job)
    SELECT ?1, 'before', substr(path, length(?2) + 2), '', content, 0, mtime_ns, job FROM deliveries
    WHERE sender = ?3 AND (path = ?4 OR path > ?5 AND path < ?6)`,
  missing: "DELETE FROM stage_files WHERE stage = ? AND side = 'before' AND path = ?",
  // What others had made there comes back with its folder: nothing of it is the sender's.
  had: "INSERT OR IGNORE INTO stage_files (stage, side, path, kind, content, size) VALUES (?, 'before', ?, 'there', '', 0)",
  inOrder: 'UPDATE stages SET released_seq = 1 + (SELECT max(released_seq) FROM stages) WHERE id = ?',
  // Of each sender: what has these names is this job's now.
  forgetSet: `DELETE FROM deliveries WHERE path IN (${OF_SET}) AND ?3 <> ''`,
  forgetOwnSet: `DELETE FROM deliveries WHERE path IN (${OF_SET}) AND sender = ?3`,
  forgetGone: `
    DELETE FROM deliveries WHERE sender = ?3 AND path IN (
      SELECT ?1 || path FROM stage_files WHERE stage = ?2 AND side = 'gone')`,
  deliver: `
    INSERT OR REPLACE INTO deliveries (path, sender, content, mtime_ns, job)
    SELECT ?1 || path, ?2, CASE kind WHEN 'link' THEN 'link:' || content ELSE content END,
      CASE kind WHEN 'dir' THEN NULL ELSE mtime_ns END, ?3
    FROM stage_files WHERE stage = ?4 AND side = 'set'`,
  unlist: `
    UPDATE inbox SET state = 'removed' WHERE sender = ?3 AND path IN (
      SELECT ?1 || path FROM stage_files WHERE stage = ?2 AND side = 'gone')`,
  // As new rows: what counts deliveries follows what is added and what is removed, and nothing that comes back.
  relist: `
    INSERT INTO inbox (id, job, sender, sender_name, path, name, size, digest, received_at, note, state, was_there, top_chars)
    SELECT lower(hex(randomblob(16))), job, sender, sender_name, path, name, size, digest, received_at, note, 'received',
      was_there, top_chars
    FROM inbox WHERE sender = ?3 AND state = 'removed' AND path IN (
      SELECT ?1 || path FROM stage_files WHERE stage = ?2 AND side = 'gone')
    GROUP BY path HAVING rowid = max(rowid)`,
  redeliver: `
    INSERT OR REPLACE INTO deliveries (path, sender, content, mtime_ns, job)
    SELECT ?1 || path, ?2, content, mtime_ns, job FROM stage_files WHERE stage = ?3 AND side = 'before' AND kind <> 'there'`,
  list: `
    INSERT INTO inbox (id, job, sender, sender_name, path, name, size, digest, received_at, note, state, was_there, top_chars)
    SELECT lower(hex(randomblob(16))), ?1, ?2, ?3, ?4 || path, path, size, content, ?5, ?6, 'received', 0,
      length(?4) + instr(path || '/', '/') - 1
    FROM stage_files WHERE stage = ?7 AND side = 'set' AND kind = 'file' ORDER BY path`,
};
