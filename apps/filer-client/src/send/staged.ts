import { STAGE } from '@filer/protocol';
import type { Member } from '../network/member.ts';
import type { NeededFeature } from '../network/reach-for-transfer.ts';

/** What `--stage` needs. */
export const STAGES: NeededFeature = { feature: STAGE, option: '--stage' };

/** Whether a recipient has signed that it has all of a job. */
export function isStaged({ releases }: Pick<Member, 'releases'>, job: string, peer: string): boolean {
  return releases.one(job, peer)?.word !== undefined;
}
