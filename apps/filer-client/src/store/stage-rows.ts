import {
  FilerError,
  HOOK_STATES,
  parseJson,
  parseStageWord,
  type StageHook,
  type StageWord,
} from '@filer/protocol';
import { integerIn, textIn } from '@filer/program';
import * as v from 'valibot';
import { kept, parseKept, parseTexts } from './kept-json.ts';

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

const name = kept(v.nullable(v.string()), null);

const keptJournal = v.object({
  /** For how many releases back what was there before is kept. */
  keep: v.number(),
  switches: v.pipe(v.array(v.object({ top: v.string(), wanted: name, before: name })), v.readonly()),
});

/** What a release or a rollback is to come to. */
export type Journal = v.InferOutput<typeof keptJournal>;

const keptHook = v.object({
  state: v.picklist(HOOK_STATES),
  exitCode: v.nullable(v.number()),
  line: v.string(),
});

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
    tops: parseTexts(textIn(row, 'tops')),
    releasedSeq: integerIn(row, 'released_seq'),
    journal: row['journal'] === null ? undefined : parseKept(keptJournal, textIn(row, 'journal')),
    word: row['word'] === null ? undefined : wordOf(textIn(row, 'word')),
    hook: hookIn(row),
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

/** How the program for a stage ended; undefined where that cannot be read. */
export function hookIn(row: Record<string, unknown>): StageHook | undefined {
  return row['hook'] === null ? undefined : parseKept(keptHook, textIn(row, 'hook'));
}
