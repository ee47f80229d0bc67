import { FilerError } from '@filer/protocol';
import type { GetDone, GetEvent, getMethods, GetParams } from '../../api/contract/get.ts';
import { findDestination } from '../../get/destination.ts';
import { GetJob } from '../../get/get-job.ts';
import { KeptGet } from '../../jobs/kept-get.ts';
import { UnfinishedGets } from '../../get/unfinished-gets.ts';
import { parseSharedPath } from '../../get/peer-path.ts';
import { waysOf } from '../../jobs/send-request.ts';
import { newJobId } from '../../jobs/job-id.ts';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { OperationContext, OperationOf } from '../operation-context.ts';
import { inOrder } from './in-order.ts';
import { requireAbsolute } from './read-path.ts';
import { findPeer } from './recipients.ts';

/** `get PEER:PATH [DEST]` */
export const get: OperationOf<typeof getMethods.get> = async (context, params, call) => {
  const tell = inOrder<GetEvent>((events) => call.emit(...events));
  const { signal } = call;
  try {
    if (params.dryRun === true)
      return await fetchTo(context, params, { id: newJobId(), begin: () => undefined, tell, signal });
    return await keepFetching(context, params, tell, signal);
  } finally {
    await tell.done();
  }
};

/** It has ended before its follower has heard all of it: one that does not read holds up no one who pauses it. */
async function keepFetching(
  context: OperationContext,
  params: GetParams,
  tell: Telling,
  signal: AbortSignal,
): Promise<GetDone> {
  if (params.job !== undefined) await context.jobs.stopped(params.job);
  using kept = new KeptGet(context, params.job);
  const begin = (peer: KnownPeer): void => kept.begin(peer, params);
  try {
    const stop = AbortSignal.any([signal, kept.signal]);
    return kept.end(await fetchTo(context, params, { id: kept.id, begin, tell, signal: stop }));
  } catch (error) {
    kept.fail(error);
    throw error;
  }
}

/** A `get` without a follower. */
export const fetch: OperationOf<typeof getMethods.fetch> = async ({ daemon }, params) => ({
  job: await daemon.beginGet(params),
});

type Telling = ReturnType<typeof inOrder<GetEvent>>;

interface Fetching {
  readonly id: string;
  /** Called when it is known from whom. */
  readonly begin: (peer: KnownPeer) => void;
  readonly tell: Telling;
  readonly signal: AbortSignal;
}

async function fetchTo(
  context: OperationContext,
  params: GetParams,
  { id, begin, tell, signal }: Fetching,
): Promise<GetDone> {
  const { timeoutMs, onConflict = 'update', exclude = [], limit, checksum = false, dryRun = false } = params;
  const ways = waysOf(params);
  await context.daemon.prepareTransfers();
  const { peer: target, path, name } = parseSharedPath(params.source);
  const dest = requireAbsolute(params.dest, 'dest');
  // A destination that cannot be used is said before anyone is bothered, unless an earlier try of this get has made it.
  if (params.job === undefined) {
    const { isInto } = await findDestination(dest, name);
    if (params.into === true && !isInto)
      throw new FilerError(
        'path-missing',
        `there is no folder ${JSON.stringify(dest)} for what is fetched: make it first`,
      );
  }
  const peer = await findPeer(context, target, signal, timeoutMs);
  const unfinished = new UnfinishedGets(context.member.settings);
  const source = `${peer.id}:${path}`;
  const destination = await findDestination(dest, name, unfinished.has(dest, source));
  const { member, access, software } = context;
  begin(peer);
  const request = { id, peer, path, destination, timeoutMs, onConflict, exclude, limit, ways };
  const { passing } = context.daemon;
  const around = { member, access, software, passing, emit: tell.emit, caughtUp: tell.caughtUp, signal };
  if (!destination.isInto && !dryRun) unfinished.note(dest, source);
  const job = new GetJob({ ...request, checksum, dryRun }, around);
  context.daemon.gets.add(job);
  const end = member.pulse.begin();
  const done = await job.run().finally(() => {
    context.daemon.gets.delete(job);
    end();
  });
  if (done.ok && !dryRun) unfinished.forget(dest);
  return done;
}
