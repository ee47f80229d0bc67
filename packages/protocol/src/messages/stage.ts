/*
 * Files that were delivered ahead under a hidden name, and get their names at once (`send --stage`, `release`, `rollback`).
 * An offer with `stage` announces it; when all of it was delivered, the sender has it sealed over the same connection. What
 * follows goes over a session of the two, and may be asked again: an act that was done is not done twice.
 */
import { MAX_BATCH_BYTES, MAX_HOOK_LINE_CHARS, MAX_RELEASES_KEPT } from '../limits.ts';
import { parseStageWord, type StageWord } from '../trust/stage-word.ts';
import { json } from './content.ts';
import { message, type Parsed } from './declaration.ts';
import { integer, optional, requestId, text, word } from './field.ts';
import { fieldsOf, integerOf, oneOf, textOf } from './json.ts';
import { peerToPeer, receiverToSender, senderToReceiver } from './route.ts';
import { JOB_PATTERN } from './transfer-fields.ts';
import { parseRemovedBatch, type RemovedBatch } from './transfer-extras.ts';

/** The word in `features` of a hello and its welcome for these messages. */
export const STAGE = 'stage';

export const sealedMessage = message({
  type: 'sealed',
  routes: [receiverToSender],
  header: { re: requestId() },
  content: json<{ readonly word: StageWord }>({
    shape: 'a signed word',
    maxBytes: MAX_BATCH_BYTES,
    read: (value) => ({ word: parseStageWord(value) }),
    write: (value) => value.word,
  }),
});

/** All was delivered: it is whole. */
export const sealMessage = message({
  type: 'seal',
  routes: [senderToReceiver],
  header: { id: requestId() },
  answers: [sealedMessage],
});

export const HOOK_STATES = ['running', 'done', 'failed'] as const;

/** The receiver's own program that was run for a release or a rollback. */
export interface StageHook {
  readonly state: (typeof HOOK_STATES)[number];
  /** null while it runs, and where it was ended or could not be started. */
  readonly exitCode: number | null;
  /** What it said last. */
  readonly line: string;
}

export const stageStateMessage = message({
  type: 'stage-state',
  routes: [peerToPeer],
  content: json({
    shape: '{ word, hook, removed }',
    maxBytes: MAX_BATCH_BYTES,
    read: (value, what) => {
      const fields = fieldsOf(value, what);
      return {
        word: parseStageWord(fields['word']),
        /** null where none was run. */
        hook: fields['hook'] === null ? null : hookOf(fields['hook'], `${what}.hook`),
        /** A page of what the release has removed; null for none. */
        removed: fields['removed'] === null ? null : parseRemovedBatch(fields['removed']),
      };
    },
    write: (state: {
      readonly word: StageWord;
      readonly hook: StageHook | null;
      readonly removed: RemovedBatch | null;
    }) => state,
  }),
});
export type StageAnswer = Parsed<typeof stageStateMessage>;

const ACTS = ['release', 'rollback', 'ask'] as const;
export type StageAct = (typeof ACTS)[number];

/** Release a staged job of the speaker's, roll it back, or tell how it stands. */
export const stageMessage = message({
  type: 'stage',
  routes: [peerToPeer],
  header: {
    job: text({ pattern: JOB_PATTERN }),
    act: word(ACTS),
    /** Of a release: for how many releases back what was there before is kept. */
    keep: optional(integer(1, MAX_RELEASES_KEPT)),
    /** From which of the removed ones on they are told. */
    from: optional(integer()),
  },
  answers: [stageStateMessage],
});
export type StageAsked = Parsed<typeof stageMessage>;

function hookOf(value: unknown, what: string): StageHook {
  const { state, exitCode, line } = fieldsOf(value, what);
  return {
    state: oneOf(textOf(state, `${what}.state`), HOOK_STATES, `${what}.state`),
    exitCode: exitCode === null ? null : integerOf(exitCode, `${what}.exitCode`),
    line: textOf(line, `${what}.line`, { max: MAX_HOOK_LINE_CHARS }),
  };
}

export const { format: formatSeal } = sealMessage;
export const { format: formatSealed, parse: parseSealed } = sealedMessage;
export const { format: formatStage } = stageMessage;
export const { parse: parseStageState } = stageStateMessage;
