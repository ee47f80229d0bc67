import { FilerError, systemCode } from '@filer/protocol';
import { lstatSync } from 'node:fs';
import { parseSafePath, SharedFolder } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import { ShareRules } from '../jobs/ignore-rules.ts';
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
  /** What the owner's `.filerignore` files keep from everyone. */
  readonly rules: ShareRules;
}

/**
 * Opens the share that a member's path leads into. One that it may not read counts as missing.
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
      `${member.name} offers no \`${name ?? ''}\`: \`filer-client ls ${member.name}\` shows what there is`,
    );
  }
  const folder = SharedFolder.open(share.name, share.folder);
  const rules = new ShareRules(folder);
  if (!rules.hides(path, isFolderAt(folder, path)))
    return { folder, file: path, rules, [Symbol.dispose]: () => folder[Symbol.dispose]() };
  folder[Symbol.dispose]();
  // In the words for what is not there.
  throw new FilerError('path-missing', `there is no file ${JSON.stringify(path)}: check the name`);
}

function isFolderAt(folder: SharedFolder, file: string): boolean {
  try {
    return folder.at(file, (path) => lstatSync(path).isDirectory());
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}
