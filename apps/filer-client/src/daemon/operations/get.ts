import { FilerError } from '@filer/protocol';
import type { Call } from '@filer/program';
import type { GetDone, GetEvent, getMethods, GetParams } from '../../api/contract/get.ts';
import { findDestination } from '../../get/destination.ts';
import { GetJob } from '../../get/get-job.ts';
import { KeptGet } from '../../jobs/kept-get.ts';
import { UnfinishedGets } from '../../get/unfinished-gets.ts';
import { parseSharedPath } from '../../get/peer-path.ts';
import { newJobId } from '../../jobs/job-id.ts';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { OperationContext, OperationOf } from '../operation-context.ts';
import { inOrder } from './in-order.ts';
import { requireAbsolute } from './read-path.ts';
import { findPeer } from './recipients.ts';

/** `get PEER:PATH [DEST]` */
export const get: OperationOf<typeof getMethods.get> = async (context, params, call) => {
  if (params.dryRun === true) return await fetchTo(context, params, newJobId(), () => undefined, call);
  using kept = new KeptGet(context, params.job);
  const stop = AbortSignal.any([call.signal, kept.signal]);
  const begin = (peer: KnownPeer): void => kept.begin(peer, params);
  try {
    return kept.end(await fetchTo(context, params, kept.id, begin, { ...call, signal: stop }));
  } catch (error) {
    kept.fail(error);
    throw error;
  }
};

/** A `get` without a follower. */
export const fetch: OperationOf<typeof getMethods.fetch> = async ({ daemon }, params) => ({
  job: await daemon.beginGet(params),
});

async function fetchTo(
  context: OperationContext,
  params: GetParams,
  id: string,
  begin: (peer: KnownPeer) => void,
  { emit, signal }: Call<GetEvent>,
): Promise<GetDone> {
  const { timeoutMs, onConflict = 'update', exclude = [], limit, checksum = false, dryRun = false } = params;
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
  const tell = inOrder<GetEvent>((events) => emit(...events));
  const request = { id, peer, path, destination, timeoutMs, onConflict, exclude, limit };
  try {
    const around = { member, access, software, emit: tell.emit, caughtUp: tell.caughtUp, signal };
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
  } finally {
    await tell.done();
  }
}
