import { iso } from '@filer/program';
import type { RecipientStage, StageDocument } from '../api/contract/releases.ts';
import type { JobStage } from '../store/release-store.ts';

export function stageDocument({ word, hook, wanted, wave, code, status }: JobStage): StageDocument {
  return {
    state: word?.state ?? 'waiting',
    time: word === undefined ? null : iso(word.time),
    files: word?.files ?? 0,
    bytes: word?.bytes ?? 0,
    removed: word?.removed ?? 0,
    hook: hook === undefined ? null : { state: hook.state, exitCode: hook.exitCode, line: hook.line },
    wanted: wanted ?? null,
    wave,
    code: code ?? null,
    status,
  };
}

export function recipientStage(stage: JobStage, ok: boolean): RecipientStage {
  return { name: stage.name, id: stage.peer, ok, ...stageDocument(stage) };
}

/** Where a recipient has something: while it is staged, and once it is not. */
export function withoutStage(path: string): string {
  return path
    .split('/')
    .filter((component) => !component.startsWith('.filer-part-stage.'))
    .join('/');
}
