import {
  formatListedItem,
  formatListing,
  MAX_LISTING_BYTES,
  parseList,
  type Message,
  type Reply,
  type Session,
} from '@filer/protocol';
import { listShared } from '@filer/transfer';
import type { ListedItem } from '@filer/protocol';
import type { Member } from '../network/member.ts';
import { openShared, sharesFor } from './shared.ts';

/**
 * Answers `list`, page by page: the next one is read when the last one has gone.
 *
 * @throws FilerError `message-malformed`, `name-refused`, `path-missing`, `path-unreadable`, `connection-closed`
 */
export async function answerList(
  member: Member,
  peerId: string,
  message: Message,
  session: Session,
): Promise<Reply | undefined> {
  const path = parseList(message);
  const re = message.header['id'];
  if (re === undefined) return undefined;
  if (path === '') return lastPage(await pagesOf(sharesOf(member, peerId), re, session));
  using shared = openShared(member, peerId, path);
  return lastPage(
    await pagesOf(
      listShared(shared.folder, shared.file, (file, isFolder) => shared.rules.ignores(file, isFolder)),
      re,
      session,
    ),
  );
}

function* sharesOf(member: Member, peerId: string): Generator<ListedItem, void> {
  for (const { name, addedAt } of sharesFor(member, peerId)) {
    yield { name, kind: 'share', size: 0, mtimeNs: BigInt(addedAt) * 1_000_000n };
  }
}

/** Sends all pages but the last. @returns the last */
async function pagesOf(items: Iterable<ListedItem>, re: string, session: Session): Promise<string[]> {
  let page: string[] = [];
  let bytes = 2;
  for (const item of items) {
    const text = formatListedItem(item);
    const more = Buffer.byteLength(text) + 1;
    if (bytes + more > MAX_LISTING_BYTES) {
      const { header, content } = formatListing(page, true);
      await session.notify({ ...header, re }, content);
      page = [];
      bytes = 2;
    }
    page.push(text);
    bytes += more;
  }
  return page;
}

function lastPage(page: readonly string[]): Reply {
  return formatListing(page, false);
}
