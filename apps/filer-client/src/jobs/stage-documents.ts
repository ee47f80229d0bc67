import type { StageHook } from '@filer/protocol';
import { iso } from '@filer/program';
import type { RecipientStage, RolloutDocument, StageDocument } from '../api/contract/releases.ts';
import type { JobStage, ReleaseStore, Rollout, StageStep } from '../store/release-store.ts';

/** @param steps what the recipient has signed */
export function stageDocument(
  { word, hook, wanted, wave, code, status }: JobStage,
  steps: readonly StageStep[],
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
    steps: steps.map((step) => ({
      state: step.word.state,
      time: iso(step.word.time),
      removed: step.word.removed,
      hook: hookDocument(step.hook),
    })),
  };
}

function hookDocument(hook: StageHook | undefined): StageDocument['hook'] {
  return hook === undefined ? null : { state: hook.state, exitCode: hook.exitCode, line: hook.line };
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
