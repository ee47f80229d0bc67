import { FilerError, parseJson, parseStageWord, type StageHook, type StageWord } from '@filer/protocol';
import { integerIn, textIn } from '@filer/program';
import type { Switch } from '@filer/transfer';

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

export function readStage(row: Record<string, unknown>): KeptStage {
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
