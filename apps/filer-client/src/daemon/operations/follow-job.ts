import { aborted, FilerError } from '@filer/protocol';
import type { Call } from '@filer/program';
import { FolderSums } from '../../verify/folder-sums.ts';
import type { LiveJob } from '../../send/live-job.ts';
import type { SendDone, SendEvent } from '../../api/contract/send.ts';
import { inOrder } from './in-order.ts';

/**
 * Hands the events of a job on to the caller, until it is over.
 *
 * @param summed the paths of the job, to tell of each as one; undefined to tell of each file
 */
export async function followJob(
  emit: Call<SendEvent>['emit'],
  summed: readonly string[] | undefined,
  work: (tell: (event: SendEvent) => void) => Promise<SendDone>,
): Promise<SendDone> {
  const tell = inOrder<SendEvent>((events) => emit(...events));
  const sums = summed === undefined ? undefined : new FolderSums(summed, tell.emit);
  try {
    return await work(sums === undefined ? tell.emit : (event) => sums.take(event));
  } finally {
    sums?.end();
    await tell.done();
  }
}

/**
 * Waits for the end of a job. Who goes away cancels it, unless it can wait: then it continues without a follower.
 *
 * @throws the reason of `signal`
 */
export async function finish(live: LiveJob, signal: AbortSignal): Promise<SendDone> {
  const ended = live.ended();
  await Promise.race([ended, aborted(signal)]);
  if (!signal.aborted) return ended;
  if (!live.request.queue) {
    const reason: unknown = signal.reason;
    // A daemon that stops, or a command that is told to end, has not given the job up.
    live.stop(reason instanceof FilerError && reason.code === 'terminated' ? 'leaving' : 'cancelled');
    await ended;
  }
  throw signal.reason;
}
