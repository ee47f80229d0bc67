import {
  askBounded,
  BoundedAnswer,
  fieldsOf,
  formatList,
  LISTING_BOUNDS,
  parseListing,
  Session,
  textOf,
  type ListedItem,
} from '@filer/protocol';
import { parsePeerPath } from '../../jobs/peer-path.ts';
import { reachPeer } from '../../network/reach-peer.ts';
import type { Operation } from '../site.ts';
import { findPeer } from './recipients.ts';

/** What lies at one place of a peer's shares, as programs are told. */
export interface LsItem {
  readonly name: string;
  readonly kind: ListedItem['kind'];
  /** Null unless it is a file. */
  readonly size: number | null;
  /** Null where it is not known. */
  readonly mtime: string | null;
}

/** `ls PEER[:PATH]`: tells page by page. */
export const ls: Operation = async (site, params, { emit, signal }) => {
  const { peer: target, path } = parsePeerPath(
    textOf(fieldsOf(params, 'ls')['source'], 'PEER:PATH', { max: 16_384 }),
  );
  const peer = await findPeer(site, target, signal);
  const { messenger } = await reachPeer(site, peer, { purpose: 'session' }, signal);
  const session = new Session(messenger);
  using answer = new BoundedAnswer(peer.name, 'names', LISTING_BOUNDS);
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
    await session.close();
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
