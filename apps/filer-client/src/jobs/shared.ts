import { FilerError } from '@filer/protocol';
import { parseSafePath, SharedFolder } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import type { Share } from '../store/share-store.ts';

/** The shares that a member may look into now, by the newest membership that is known of it. */
export function sharesFor(member: Member, peerId: string): Share[] {
  if (member.removals.has(peerId)) return [];
  const groups = member.directory.byId(peerId)?.groups ?? [];
  return member.shares
    .all()
    .filter((share) => !share.forServer)
    .filter((share) => share.groups.length === 0 || share.groups.some((group) => groups.includes(group)));
}

/** Something in a share, which is held open until it is disposed of. */
export interface SharedItem extends Disposable {
  readonly folder: SharedFolder;
  /** `SHARE/path/below`. */
  readonly file: string;
}

/**
 * Opens the share that a member's path leads into. One that it may not look into is none.
 *
 * @param path as it came from another machine
 * @throws FilerError `name-refused`, `path-missing`
 */
export function openShared(member: Member, peerId: string, path: string): SharedItem {
  const [name] = parseSafePath(path);
  const share = sharesFor(member, peerId).find((each) => each.name === name);
  if (share === undefined) {
    throw new FilerError(
      'path-missing',
      `${member.name} offers no ${JSON.stringify(name)}: \`filer-client ls ${member.name}\` shows what there is`,
    );
  }
  const folder = SharedFolder.open(share.name, share.folder);
  return { folder, file: path, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}
