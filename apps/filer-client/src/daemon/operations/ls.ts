import {
  fieldsOf,
  FilerError,
  formatList,
  parseListing,
  REQUEST_TIMEOUT_MS,
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

/** A peer that tells more is stopped: it would fill the memory. */
const MAX_ITEMS = 5_000_000;

/** `ls PEER[:PATH]`: tells page by page. */
export const ls: Operation = async (site, params, { emit, signal }) => {
  const { peer: target, path } = parsePeerPath(
    textOf(fieldsOf(params, 'ls')['source'], 'PEER:PATH', { max: 16_384 }),
  );
  const peer = await findPeer(site, target, signal);
  const { messenger } = await reachPeer(site, peer, { purpose: 'session' }, signal);
  const session = new Session(messenger);
  const silent = new AbortController();
  const timer = setTimeout(() => {
    silent.abort(new FilerError('timed-out', `${peer.name} said nothing for ${REQUEST_TIMEOUT_MS / 1000} s`));
  }, REQUEST_TIMEOUT_MS);
  try {
    let count = 0;
    const { header, content } = formatList(path);
    const stop = AbortSignal.any([signal, silent.signal]);
    for await (const page of session.requestStream(header, content, { signal: stop })) {
      timer.refresh();
      const items = parseListing(page).map(lsItemOf);
      count += items.length;
      if (count > MAX_ITEMS)
        throw new FilerError('too-large', `${peer.name} lists more than ${MAX_ITEMS} names`);
      await emit({ items });
    }
    return { peer: peer.name, id: peer.id, path, count };
  } finally {
    clearTimeout(timer);
    await session.close();
  }
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
