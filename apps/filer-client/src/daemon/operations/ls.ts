import {
  askBounded,
  BoundedAnswer,
  formatList,
  LISTING_BOUNDS,
  parseListing,
  Session,
  type ListedItem,
} from '@filer/protocol';
import type { getMethods, LsItem } from '../../api/contract/get.ts';
import { parsePeerPath } from '../../get/peer-path.ts';
import { reachPeer } from '../../network/reach-peer.ts';
import type { OperationOf } from '../operation-context.ts';
import { Deadline } from './deadline.ts';
import { findPeer } from './recipients.ts';

/** `ls PEER[:PATH]`: tells page by page. */
export const ls: OperationOf<typeof getMethods.ls> = async (
  context,
  { source, timeoutMs },
  { emit, signal },
) => {
  const { peer: target, path } = parsePeerPath(source);
  using deadline = new Deadline(timeoutMs, signal);
  const peer = await findPeer(context, target, deadline.signal, timeoutMs);
  const { messenger } = await reachPeer(context, peer, { purpose: 'session' }, { signal: deadline.signal });
  const session = new Session(messenger);
  using answer = new BoundedAnswer(peer.name, 'names', deadline.boundsOf(LISTING_BOUNDS));
  let count = 0;
  try {
    for await (const page of askBounded(session, formatList(path), parseListing, answer, signal)) {
      count += page.length;
      await emit({ items: page.map(lsItemOf) });
    }
  } catch (error) {
    // What came within the bounds is told, and that there is more.
    if (count === 0 || error !== answer.reached) throw error;
  } finally {
    if (answer.reached !== undefined) messenger.destroy();
    await deadline.close(session);
  }
  return { peer: peer.name, id: peer.id, path, count, leftOut: answer.reached?.message ?? null };
};

function lsItemOf({ name, kind, size, mtimeNs }: ListedItem): LsItem {
  return {
    name,
    kind,
    size: kind === 'file' ? size : null,
    mtime: kind === 'other' ? null : timeOf(mtimeNs),
  };
}

/** A file system takes times that no calendar here knows. */
function timeOf(ns: bigint): string | null {
  const time = new Date(Number(ns / 1_000_000n));
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}
