import { FilerError, parseJson, parseStageWord, type StageHook, type StageWord } from '@filer/protocol';
import { integerIn, textIn, type Database, type Statements } from '@filer/program';
import type { StagedItem, StagedRemoval } from '@filer/transfer';

const STATES = [
  'receiving',
  'staged',
  'releasing',
  'released',
  'rolling-back',
  'rolled-back',
  'closed',
  'dropped',
] as const;

/**
 * `releasing`, `rolling-back`: the journal says what it is to come to. `closed`: released, and what was there before is not kept
 * any longer. `dropped`: it was not released in time.
 */
export type KeptStageState = (typeof STATES)[number];

/** One name that changes places with what is in the stage. */
export interface Switch {
  readonly top: string;
  /** The inode that the name is to have; null for nothing. */
  readonly wanted: string | null;
  /** The one that it has before. */
  readonly before: string | null;
}

/** What a release or a rollback is to come to. */
export interface Journal {
  /** For how many releases back what was there before is kept. */
  readonly keep: number;
  readonly switches: readonly Switch[];
}

export interface KeptStage {
  readonly id: number;
  readonly sender: string;
  readonly senderName: string;
  readonly job: string;
  /** Relative to the inbox. */
  readonly folder: string;
  readonly hidden: string;
  readonly mirror: boolean;
  readonly overwrite: boolean;
  readonly note: string;
  readonly state: KeptStageState;
  readonly changedAt: number;
  readonly files: number;
  readonly bytes: number;
  readonly entries: number;
  readonly removed: number;
  readonly tops: readonly string[];
  /** The order of the releases; 0 before the first. */
  readonly releasedSeq: number;
  /** Undefined where none is to be brought to its end, or it cannot be read. */
  readonly journal: Journal | undefined;
  readonly word: StageWord | undefined;
  readonly hook: StageHook | undefined;
}

export type NewStage = Pick<
  KeptStage,
  'sender' | 'senderName' | 'job' | 'folder' | 'hidden' | 'mirror' | 'overwrite' | 'note'
>;

/** Characters of a word in the database: one that was put there by somebody else is not read. */
const MAX_WORD_BYTES = 16 * 1024;

/** Jobs that were sent here with `--stage`, what is in each, and how each stands. */
export class StageStore {
  readonly #database: Database;
  readonly #statements: Statements<typeof STATEMENTS>;

  constructor(database: Database) {
    this.#database = database;
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

  /** Notes what is in a stage. */
  put(stage: number, side: 'set' | 'gone', items: Iterable<readonly [path: string, item: StagedItem]>): void {
    this.#database.transaction(() => {
      for (const [path, { kind, content, size, mtimeNs }] of items)
        this.#statements.put.run(stage, side, path, kind, content, size, String(mtimeNs));
    });
  }

  /** What was noted may not be there any more. */
  unseal(stage: number): void {
    this.#database
      .prepare("UPDATE stage_files SET mtime_ns = '-1' WHERE stage = ? AND side = 'set'")
      .run(stage);
  }

  /** What was noted before and not since. */
  *unsealed(stage: number): Generator<string> {
    const of = "FROM stage_files WHERE stage = ? AND side = 'set' AND mtime_ns = '-1' AND path > ?";
    const page = this.#database.prepare(`SELECT path ${of} ORDER BY path LIMIT 500`);
    for (let after = ''; ;) {
      const rows = page.all(stage, after);
      for (const row of rows) yield (after = textIn(row, 'path'));
      if (rows.length === 0) return;
    }
  }

  /** What was not noted since goes. */
  dropUnsealed(stage: number): void {
    this.#database
      .prepare("DELETE FROM stage_files WHERE stage = ? AND side = 'set' AND mtime_ns = '-1'")
      .run(stage);
  }

  /** What of a stage stands under a path. */
  item(stage: number, path: string): StagedItem | undefined {
    const row = this.#statements.item.get(stage, path);
    return row === undefined ? undefined : itemOf(row);
  }

  /** Whether its release removes something. */
  isGone(stage: number, path: string): boolean {
    return this.#statements.isGone.get(stage, path) !== undefined;
  }

  /** The files of a job, by path below its folder. */
  *files(stage: number): Generator<{ path: string; size: number; digest: string }> {
    for (let after = ''; ;) {
      const rows = this.#statements.page.all(stage, after);
      for (const row of rows) {
        after = textIn(row, 'path');
        if (textIn(row, 'kind') === 'file')
          yield { path: after, size: integerIn(row, 'size'), digest: textIn(row, 'content') };
      }
      if (rows.length === 0) return;
    }
  }

  /** What its release has removed, from one of them on. */
  gone(stage: number, from: number, most: number): StagedRemoval[] {
    return this.#statements.gone
      .all(stage, most, from)
      .map((row) => ({ path: textIn(row, 'path'), ...itemOf(row) }));
  }

  /** What was noted of it is forgotten. */
  clear(stage: number, side: 'set' | 'before' | 'gone'): void {
    this.#database.prepare('DELETE FROM stage_files WHERE stage = ? AND side = ?').run(stage, side);
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
   * @param folder absolute; its path @param word made in the transaction
   */
  released(
    stage: KeptStage,
    folder: string,
    word: StageWord,
    hook: StageHook | undefined,
    now: number,
  ): void {
    const { id, sender, senderName, job, note } = stage;
    this.#database.transaction(() => {
      this.clear(id, 'before');
      for (const top of stage.tops) {
        const path = `${folder}/${top}`;
        this.#statements.keepBefore.run(id, folder, sender, path, `${path}/`, `${path}0`);
      }
      this.#statements.forgetSet.run(`${folder}/`, id, sender);
      this.#statements.forgetGone.run(`${folder}/`, id, sender);
      this.#statements.unlist.run(`${folder}/`, id, sender);
      this.#statements.deliver.run(`${folder}/`, sender, job, id);
      this.#statements.list.run(job, sender, senderName, `${folder}/`, now, note, id);
      const seq = integerIn(
        this.#database.prepare('SELECT max(released_seq) AS n FROM stages').get() ?? {},
        'n',
      );
      this.#end(id, 'released', word, hook, now);
      this.#database.prepare('UPDATE stages SET released_seq = ? WHERE id = ?').run(seq + 1, id);
    });
  }

  /** What was there before has its names again. */
  rolledBack(
    stage: KeptStage,
    folder: string,
    word: StageWord,
    hook: StageHook | undefined,
    now: number,
  ): void {
    const { id, sender, job } = stage;
    this.#database.transaction(() => {
      this.#statements.forgetOwnSet.run(`${folder}/`, id, sender);
      this.#statements.relist.run(`${folder}/`, id, sender);
      this.#statements.redeliver.run(`${folder}/`, sender, id);
      this.#database.prepare('DELETE FROM inbox WHERE sender = ? AND job = ?').run(sender, job);
      this.clear(id, 'before');
      this.#end(id, 'rolled-back', word, hook, now);
    });
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

  /** How its program ended. */
  hookEnded(id: number, hook: StageHook): void {
    this.#database.prepare('UPDATE stages SET hook = ? WHERE id = ?').run(JSON.stringify(hook), id);
  }

  /** One whose program has not come to its end. */
  nextHook(): KeptStage | undefined {
    const row = this.#database
      .prepare(
        "SELECT * FROM stages WHERE hook IS NOT NULL AND json_extract(hook, '$.state') = 'running' ORDER BY changed_at LIMIT 1",
      )
      .get();
    return row === undefined ? undefined : readStage(row);
  }

  #end(id: number, state: KeptStageState, word: StageWord, hook: StageHook | undefined, now: number): void {
    this.#database
      .prepare('UPDATE stages SET state = ?, journal = NULL, word = ?, hook = ?, changed_at = ? WHERE id = ?')
      .run(state, JSON.stringify(word), hook === undefined ? null : JSON.stringify(hook), now, id);
  }
}

const OF_SET = "SELECT ?1 || path FROM stage_files WHERE stage = ?2 AND side = 'set'";

const STATEMENTS = {
  put: 'INSERT OR REPLACE INTO stage_files (stage, side, path, kind, content, size, mtime_ns) VALUES (?, ?, ?, ?, ?, ?, ?)',
  item: "SELECT * FROM stage_files WHERE stage = ? AND side = 'set' AND path = ?",
  isGone: "SELECT 1 FROM stage_files WHERE stage = ? AND side = 'gone' AND path = ?",
  page: "SELECT * FROM stage_files WHERE stage = ? AND side = 'set' AND path > ? ORDER BY path LIMIT 500",
  gone: "SELECT * FROM stage_files WHERE stage = ? AND side = 'gone' ORDER BY path LIMIT ? OFFSET ?",
  keepBefore: `
    INSERT OR REPLACE INTO stage_files (stage, side, path, kind, content, size, mtime_ns, job)
    SELECT ?1, 'before', substr(path, length(?2) + 2), '', content, 0, mtime_ns, job FROM deliveries
    WHERE sender = ?3 AND (path = ?4 OR path > ?5 AND path < ?6)`,
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
    SELECT ?1 || path, ?2, content, mtime_ns, job FROM stage_files WHERE stage = ?3 AND side = 'before'`,
  list: `
    INSERT INTO inbox (id, job, sender, sender_name, path, name, size, digest, received_at, note, state, was_there, top_chars)
    SELECT lower(hex(randomblob(16))), ?1, ?2, ?3, ?4 || path, path, size, content, ?5, ?6, 'received', 0,
      length(?4) + instr(path || '/', '/') - 1
    FROM stage_files WHERE stage = ?7 AND side = 'set' AND kind = 'file' ORDER BY path`,
};

function itemOf(row: Record<string, unknown>): StagedItem {
  const kind = textIn(row, 'kind');
  const mtimeNs = row['mtime_ns'];
  return {
    kind: kind === 'dir' || kind === 'link' ? kind : 'file',
    content: textIn(row, 'content'),
    size: integerIn(row, 'size'),
    mtimeNs: typeof mtimeNs === 'string' ? BigInt(mtimeNs) : 0n,
  };
}

function readStage(row: Record<string, unknown>): KeptStage {
  const hook = row['hook'] === null ? undefined : jsonOf(textIn(row, 'hook'));
  return {
    id: integerIn(row, 'id'),
    sender: textIn(row, 'sender'),
    senderName: textIn(row, 'sender_name'),
    job: textIn(row, 'job'),
    folder: textIn(row, 'folder'),
    hidden: textIn(row, 'hidden'),
    mirror: integerIn(row, 'mirror') === 1,
    overwrite: integerIn(row, 'overwrite') === 1,
    note: textIn(row, 'note'),
    state: STATES.find((each) => each === textIn(row, 'state')) ?? 'dropped',
    changedAt: integerIn(row, 'changed_at'),
    files: integerIn(row, 'files'),
    bytes: integerIn(row, 'bytes'),
    entries: integerIn(row, 'entries'),
    removed: integerIn(row, 'removed'),
    tops: listOf(jsonOf(textIn(row, 'tops'))).map(String),
    releasedSeq: integerIn(row, 'released_seq'),
    journal: row['journal'] === null ? undefined : journalOf(jsonOf(textIn(row, 'journal'))),
    word: row['word'] === null ? undefined : wordOf(textIn(row, 'word')),
    hook: isHook(hook) ? hook : undefined,
  };
}

/** What this program wrote; undefined for what it did not. */
export function wordOf(text: string): StageWord | undefined {
  try {
    return parseStageWord(parseJson(Buffer.from(text), 'a kept word', MAX_WORD_BYTES));
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return undefined;
  }
}

export function isHook(value: unknown): value is StageHook {
  return (
    typeof value === 'object' && value !== null && 'state' in value && 'line' in value && 'exitCode' in value
  );
}

export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function journalOf(value: unknown): Journal | undefined {
  if (typeof value !== 'object' || value === null || !('keep' in value) || !('switches' in value))
    return undefined;
  const { keep, switches } = value;
  return typeof keep === 'number' ? { keep, switches: listOf(switches).map(switchOf) } : undefined;
}

function switchOf(value: unknown): Switch {
  const found = typeof value === 'object' && value !== null ? value : {};
  return {
    top: 'top' in found ? String(found.top) : '',
    wanted: 'wanted' in found && typeof found.wanted === 'string' ? found.wanted : null,
    before: 'before' in found && typeof found.before === 'string' ? found.before : null,
  };
}
