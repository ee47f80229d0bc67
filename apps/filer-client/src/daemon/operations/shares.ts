import { realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { FilerError, isGroupName, systemCode } from '@filer/protocol';
import { iso } from '@filer/program';
import { parseSafePath, requireHoldsNoOwn } from '@filer/transfer';
import type { ShareLine, shareMethods } from '../../api/contract/shares.ts';
import type { Share } from '../../store/share-store.ts';
import type { OperationOf } from '../operation-context.ts';
import { requireAbsolute } from './read-path.ts';

type Methods = typeof shareMethods;

/** `share add DIR [--as NAME] [--group G]… [--server]` */
export const shareAdd: OperationOf<Methods['shareAdd']> = async ({ member }, params) => {
  const path = requireAbsolute(params.folder, 'folder');
  const forServer = params.server === true;
  const groups = params.groups.map(readGroup);
  if (forServer && groups.length > 0) {
    throw new FilerError(
      'usage',
      '--server is for the ip-server alone, and --group for members: give one of them',
    );
  }
  const folder = await requireFolder(path);
  requireHoldsNoOwn(folder);
  const name = readName(params.name ?? basename(folder));
  const share = { name, folder, groups: [...new Set(groups)], forServer, addedAt: Date.now() };
  member.shares.add(share);
  member.events.publish('share', {});
  return lineOf(share);
};

export const shareList: OperationOf<Methods['shareList']> = ({ member }) => ({
  shares: member.shares.all().map(lineOf),
});

export const shareRemove: OperationOf<Methods['shareRemove']> = ({ member, daemon }, { name }) => {
  if (!member.shares.remove(name)) {
    throw new FilerError(
      'path-missing',
      `there is no share called ${JSON.stringify(name)}: \`filer-client share list\` shows them`,
    );
  }
  member.events.publish('share', {});
  daemon.endFetches(name);
  return { name };
};

function lineOf({ name, folder, groups, forServer, addedAt }: Share): ShareLine {
  return { name, folder, groups, server: forServer, addedAt: iso(addedAt) };
}

function readGroup(typed: string): string {
  const group = typed.replace(/^@/, '');
  if (isGroupName(group)) return group;
  const hint = group === 'all' ? '; without --group the share is for every member' : '';
  throw new FilerError(
    'usage',
    `--group takes the name of a group such as lab, not ${JSON.stringify(group)}${hint}`,
  );
}

function readName(name: string): string {
  try {
    if (parseSafePath(name).length === 1) return name;
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    throw new FilerError('usage', `${error.message}; give the share a name with --as`, { cause: error });
  }
  throw new FilerError('usage', `${JSON.stringify(name)} is no name for a share: it has a / in it`);
}

/** @returns the folder's path without links. @throws FilerError `path-missing`, `path-unsupported`, `path-unreadable` */
async function requireFolder(path: string): Promise<string> {
  const what = JSON.stringify(path);
  try {
    if ((await stat(path)).isDirectory()) return await realpath(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new FilerError('path-missing', `there is no folder ${what}: check the name`, { cause: error });
    }
    throw new FilerError('path-unreadable', `${what} may not be read by this user: change its permissions`, {
      cause: error,
    });
  }
  throw new FilerError('path-unsupported', `${what} is not a folder: share the folder that contains it`);
}
