import { CONFLICTS, fieldsOf, FilerError, integerOf, listOf, textOf } from '@filer/protocol';
import { findDestination } from '../../jobs/destination.ts';
import { GetJob } from '../../jobs/get-job.ts';
import { UnfinishedGets } from '../../jobs/unfinished-gets.ts';
import { parseSharedPath } from '../../jobs/peer-path.ts';
import type { Operation } from '../site.ts';
import { inOrder } from './in-order.ts';
import { readPath } from './read-path.ts';
import { findPeer } from './recipients.ts';

export type { GetDone } from '../../jobs/get-events.ts';

const MAX_EXCLUDES = 1_000;

/** `get PEER:PATH [DEST]` */
export const get: Operation = async (site, params, { emit, signal }) => {
  const fields = fieldsOf(params, 'get');
  const {
    peer: target,
    path,
    name,
  } = parseSharedPath(textOf(fields['source'], 'PEER:PATH', { max: 16_384 }));
  const dest = readPath(fields['dest'], 'dest');
  const timeoutMs = integerOf(fields['timeoutMs'], 'timeoutMs');
  const onConflict = CONFLICTS.find((each) => each === (fields['onConflict'] ?? 'update'));
  if (onConflict === undefined)
    throw new FilerError('usage', `onConflict is none of ${CONFLICTS.join(', ')}`);
  const exclude = listOf(fields['exclude'] ?? [], 'exclude', MAX_EXCLUDES, (value, what) =>
    textOf(value, what, { max: 4_096 }),
  );
  const limit = fields['limit'] === undefined ? undefined : integerOf(fields['limit'], 'limit', 1);
  // A destination that cannot be used is said before anyone is bothered.
  await findDestination(dest, name);
  const peer = await findPeer(site, target, signal);
  const unfinished = new UnfinishedGets(site.member.settings);
  const source = `${peer.id}:${path}`;
  const destination = await findDestination(dest, name, unfinished.has(dest, source));
  const { member, access, software } = site;
  const tell = inOrder(emit);
  const request = { peer, path, destination, timeoutMs, onConflict, exclude, limit };
  const [checksum, dryRun] = [fields['checksum'] === true, fields['dryRun'] === true];
  try {
    const around = { member, access, software, emit: tell.emit, signal };
    if (!destination.isInto && !dryRun) unfinished.note(dest, source);
    const job = new GetJob({ ...request, checksum, dryRun }, around);
    site.daemon?.gets.add(job);
    const done = await job.run().finally(() => site.daemon?.gets.delete(job));
    if (done.ok && !dryRun) unfinished.forget(dest);
    return done;
  } finally {
    await tell.done();
  }
};
