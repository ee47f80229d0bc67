import { FilerError, nearNames } from '@filer/protocol';
import type { JobStore } from '../store/job-store.ts';
import type { KeptJob } from '../store/job-rows.ts';

/** Jobs among which a mistyped id is looked for. */
const RECENT = 1_000;

/**
 * The job that a person means: its id, or a beginning that no other job has.
 *
 * @throws FilerError `no-such-job` with near ids, `usage` when several begin so
 */
export function findJob(jobs: JobStore, typed: string): KeptJob {
  const exact = jobs.job(typed);
  if (exact !== undefined) return exact;
  const [first, second, ...more] = typed === '' ? [] : jobs.beginningWith(typed, 4);
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined) {
    const ids = [first, ...(second === undefined ? [] : [second]), ...more].map(({ id }) => id);
    throw new FilerError(
      'usage',
      `several jobs begin with ${JSON.stringify(typed)}: ${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ' and others' : ''}; type more of the one you mean`,
    );
  }
  const near = nearNames(
    typed,
    jobs.list({ limit: RECENT }).map(({ id }) => id),
  ).slice(0, 3);
  throw new FilerError(
    'no-such-job',
    `no job has the id ${JSON.stringify(typed)}${near.length === 0 ? ': `filer-client history` shows them' : `: did you mean ${near.join(' or ')}?`}`,
  );
}
