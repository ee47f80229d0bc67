import type { StageHook, StageWord } from '@filer/protocol';
import { iso } from '@filer/program';
import type { RecipientStage, RolloutDocument, StageDocument } from '../api/contract/releases.ts';
import type { JobStage, ReleaseStore, Rollout } from '../store/release-store.ts';

interface SignedStep {
  readonly word: Pick<StageWord, 'state' | 'time' | 'removed'>;
  readonly hook: StageHook | undefined;
}

/** @param steps what the recipient has signed */
export function stageDocument(
  { word, hook, wanted, wave, code, status }: Omit<JobStage, 'job' | 'peer' | 'name' | 'keep' | 'rollout'>,
  steps: readonly SignedStep[],
): StageDocument {
  return {
    state: word?.state ?? 'waiting',
    time: word === undefined ? null : iso(word.time),
    files: word?.files ?? 0,
    bytes: word?.bytes ?? 0,
    removed: word?.removed ?? 0,
    hook: hookDocument(hook),
    wanted: wanted ?? null,
    wave,
    code: code ?? null,
    status,
    steps: steps.map((step, n) => ({
      state: step.word.state,
      time: iso(step.word.time),
      removed: step.word.removed,
      hook: n < steps.length - 1 ? pastHook(step.hook) : hookDocument(step.hook),
    })),
  };
}

function hookDocument(hook: StageHook | undefined): StageDocument['hook'] {
  return hook === undefined ? null : { state: hook.state, exitCode: hook.exitCode, line: hook.line };
}

/** Of a step that another one followed: what had not ended by then was asked about no further. */
function pastHook(hook: StageHook | undefined): StageDocument['hook'] {
  const document = hookDocument(hook);
  return document?.state === 'running' ? { ...document, state: 'unknown' } : document;
}

export function recipientStage(
  releases: Pick<ReleaseStore, 'steps'>,
  stage: JobStage,
  ok: boolean,
): RecipientStage {
  const steps = releases.steps(stage.job, stage.peer);
  return { name: stage.name, id: stage.peer, ok, ...stageDocument(stage, steps) };
}

/** @returns null where there is none */
export function rolloutDocument(rollout: Rollout | undefined, now = Date.now()): RolloutDocument | null {
  if (rollout === undefined) return null;
  const { act, state, wave, waves, dueAt, status } = rollout;
  const waits = state === 'running' && dueAt > now;
  const isPlanned = waits && wave === 1;
  return { act, state: isPlanned ? 'planned' : state, wave, waves, at: waits ? iso(dueAt) : null, status };
}

/** Where a recipient has something: while it is staged, and once it is not. */
export function withoutStage(path: string): string {
  return path
    .split('/')
    .filter((component) => !component.startsWith('.filer-part-stage.'))
    .join('/');
}
