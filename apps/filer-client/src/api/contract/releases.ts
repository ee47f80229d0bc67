import { arrayOf, errorCode, method, text } from '@filer/program';
import * as v from 'valibot';
import { job, timeoutMs } from './send.ts';

/* Releases and rollbacks of staged jobs. Names of fields are a contract (docs/cli/). */

const hookDocument = v.object({
  /** `unknown`: a newer release or rollback began before its end was heard of. */
  state: v.picklist(['running', 'done', 'failed', 'unknown']),
  /** null while it runs, and where it was ended or could not be started. */
  exitCode: v.nullable(v.number()),
  /** What it said last. Another machine's words: escape them. */
  line: v.string(),
});

const state = v.picklist(['staged', 'released', 'rolled-back']);

/** What a recipient has signed. */
const stageStep = v.object({
  state,
  /** When, by its clock. */
  time: v.string(),
  /** Files and links that the release removed there. */
  removed: v.number(),
  /** Its own program then; null where none was run. */
  hook: v.nullable(hookDocument),
});

/** How a recipient of a staged job stands. */
export const stageDocument = v.object({
  /** `waiting`: it has not received all of it yet. */
  state: v.picklist(['waiting', 'staged', 'released', 'rolled-back']),
  /** When it signed that, by its clock; null before. */
  time: v.nullable(v.string()),
  files: v.number(),
  bytes: v.number(),
  /** Files and links that the release removed there. */
  removed: v.number(),
  /** Its own program, for the newest release or rollback; null where none was run. */
  hook: v.nullable(hookDocument),
  /** What it is still to be asked for; null for nothing. */
  wanted: v.nullable(v.picklist(['release', 'rollback'])),
  /** In which wave, counted from 1; 0 for none. */
  wave: v.number(),
  code: v.nullable(errorCode),
  status: v.string(),
  /** The newest of each kind, in the order of their times. */
  steps: arrayOf(stageStep),
});
export type StageDocument = v.InferOutput<typeof stageDocument>;

/** A release or rollback of a job, the newest one. */
export const rolloutDocument = v.object({
  act: v.picklist(['release', 'rollback']),
  state: v.picklist(['planned', 'running', 'done', 'stopped']),
  wave: v.number(),
  waves: v.number(),
  /** When the wave begins whose turn it is, of one that is planned or pauses; else null. */
  at: v.nullable(v.string()),
  /** Why it was stopped; empty for one that was not. */
  status: v.string(),
});
export type RolloutDocument = v.InferOutput<typeof rolloutDocument>;

const recipientStage = v.object({
  name: v.string(),
  id: v.string(),
  ok: v.boolean(),
  ...stageDocument.entries,
});
export type RecipientStage = v.InferOutput<typeof recipientStage>;

/** A recipient stands otherwise than before. */
const stageTold = v.object({ type: v.literal('stage'), job: v.string(), ...recipientStage.entries });

const rolloutDone = v.object({
  type: v.literal('done'),
  job: v.string(),
  act: v.picklist(['release', 'rollback']),
  /** `planned`: it begins later. `waiting`: all that are there have it, the others get it when they come. */
  state: v.picklist(['planned', 'done', 'waiting', 'stopped']),
  ok: v.boolean(),
  exitCode: v.number(),
  wave: v.number(),
  waves: v.number(),
  /** When the next wave begins, of one that is planned; else null. */
  at: v.nullable(v.string()),
  /** Why it was stopped; empty for one that was not. */
  status: v.string(),
  recipients: arrayOf(recipientStage),
});
export type RolloutDone = v.InferOutput<typeof rolloutDone>;

const target = text(Number.POSITIVE_INFINITY);

export const releaseMethods = {
  /** Gives a staged job its names at its recipients, or takes them away again; follows it to its end. */
  rollout: method('rollout', {
    params: v.object({
      job,
      act: v.picklist(['release', 'rollback']),
      /** @default all recipients of the job */
      to: v.optional(arrayOf(target, 10_000)),
      /** As typed: `1`, `10%`, `all`. @default one wave of all */
      waves: v.optional(arrayOf(text(32), 100)),
      pauseMs: v.optional(timeoutMs),
      /** ISO 8601. @default now */
      at: v.optional(text(64)),
      keep: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(100))),
    }),
    item: stageTold,
    result: rolloutDone,
  }),
  /** Those that have not done it yet are not asked for it any more: it was planned, pauses, or they are away. */
  withdrawRollout: method('withdraw-rollout', {
    params: v.object({
      job,
      act: v.picklist(['release', 'rollback']),
      /** @default all recipients of the job */
      to: v.optional(arrayOf(target, 10_000)),
    }),
    result: rolloutDone,
  }),
};
