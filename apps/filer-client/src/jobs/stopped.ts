import { LEFT_BEHIND, type DeliveryEnd } from '../store/job-rows.ts';

/** Why a job is stopped: it may not continue, or not before a person says so, or only this process ends. */
export type StopReason = 'cancelled' | 'paused' | 'left' | 'leaving';

/** What a person does to a job. */
export type Halt = Extract<StopReason, 'cancelled' | 'paused'>;

/** How a recipient stands whose job was stopped by more than the end of a process. */
export function endOf(reason: Exclude<StopReason, 'leaving'>, job: string): DeliveryEnd {
  if (reason === 'left') return LEFT_BEHIND;
  const status =
    reason === 'cancelled' ? 'cancelled here' : `paused here: \`filer-client resume ${job}\` continues it`;
  return { state: reason, code: 'interrupted', status };
}
