import type { Column } from '@filer/program';
import { localTime, printable } from '@filer/program';
import type { RolloutDocument, StageDocument } from '../../api/contract/releases.ts';
import { hookInWords } from './release.ts';

/** What each machine has signed of a staged job, a row for each step. */
export const STEP_COLUMNS: readonly Column[] = [
  { title: 'MACHINE', fit: 'whole' },
  { title: 'STEP', fit: 'whole' },
  { title: 'WHEN', fit: 'whole', dropOrder: 2 },
  { title: 'HOOK', fit: 'whole' },
  { title: 'SAYS', fit: 'below' },
];

export function stepRows(name: string, { steps, wanted, code, status }: StageDocument): string[][] {
  const rows = steps.map(({ state, time, removed, hook }) => [
    name,
    state,
    localTime(time),
    hook === null ? '' : hookInWords(hook),
    hook !== null && hook.line !== '' ? hook.line : removed === 0 ? '' : `${removed} removed`,
  ]);
  if (status !== '' || steps.length === 0)
    rows.push([name, wanted === null ? leftOf(steps.length, code) : `${wanted} waits`, '', '', status]);
  return rows.map((row) => row.map(printable));
}

/** How one stands that is asked for nothing, and has not done it. */
function leftOf(steps: number, code: StageDocument['code']): string {
  if (code !== null) return 'failed';
  return steps === 0 ? 'waits' : 'stopped';
}

/** `release: stopped in wave 2 of 3: it failed at carol` */
export function rolloutInWords(
  { act, state, wave, waves, at, status }: RolloutDocument,
  job: string,
): string {
  if (state === 'planned')
    return `${act} planned for ${at === null ? 'later' : localTime(at)}; \`filer-client ${act} ${job} --withdraw\` takes it back`;
  const ofWaves = `wave ${wave} of ${waves}`;
  const where = waves > 1 && !status.includes(ofWaves) ? ` in ${ofWaves}` : '';
  const next = at === null ? '' : `, which begins at ${localTime(at)}`;
  return `${act} ${state}${state === 'done' ? '' : where}${next}${status === '' ? '' : `: ${printable(status)}`}`;
}
