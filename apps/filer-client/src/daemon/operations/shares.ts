import { realpath, stat } from 'node:fs/promises';
import { basename, sep } from 'node:path';
import { fieldsOf, FilerError, isGroupName, listOf, MAX_GROUPS, systemCode, textOf } from '@filer/protocol';
import { iso, type Home } from '@filer/program';
import { parseSafePath, requireNotOwn } from '@filer/transfer';
import type { Share } from '../../store/share-store.ts';
import type { Operation } from '../site.ts';
import { readPath } from './read-path.ts';

/** A share as programs are told. */
export interface ShareLine {
  readonly name: string;
  readonly folder: string;
  readonly groups: readonly string[];
  readonly server: boolean;
  readonly addedAt: string;
}

/** `share add DIR [--as NAME] [--group G]… [--server]` */
export const shareAdd: Operation = async ({ member }, params) => {
  const fields = fieldsOf(params, 'share add');
  const path = readPath(fields['folder'], 'folder');
  const forServer = fields['server'] === true;
  const groups = listOf(fields['groups'], 'groups', MAX_GROUPS, readGroup);
  if (forServer && groups.length > 0) {
    throw new FilerError(
      'usage',
      '--server is for the ip-server alone, and --group for members: give one of them',
    );
  }
  const folder = await requireFolder(path);
  await requireNoKeys(folder, member.home);
  const name = readName(fields['name'] ?? basename(folder));
  const share = { name, folder, groups: [...new Set(groups)], forServer, addedAt: Date.now() };
  member.shares.add(share);
  return lineOf(share);
};

export const shareList: Operation = ({ member }) =>
  Promise.resolve({ shares: member.shares.all().map(lineOf) });

export const shareRemove: Operation = ({ member, daemon }, params) => {
  const name = textOf(fieldsOf(params, 'share remove')['name'], 'NAME');
  if (!member.shares.remove(name)) {
    throw new FilerError(
      'path-missing',
      `there is no share called ${JSON.stringify(name)}: \`filer-client share list\` shows them`,
    );
  }
  daemon?.endFetches(name);
  return Promise.resolve({ name });
};

function lineOf({ name, folder, groups, forServer, addedAt }: Share): ShareLine {
  return { name, folder, groups, server: forServer, addedAt: iso(addedAt) };
}

function readGroup(value: unknown, what: string): string {
  const group = textOf(value, what).replace(/^@/, '');
  if (isGroupName(group)) return group;
  const hint = group === 'all' ? '; without --group the share is for every member' : '';
  throw new FilerError(
    'usage',
    `--group takes the name of a group such as lab, not ${JSON.stringify(group)}${hint}`,
  );
}

function readName(value: unknown): string {
  const name = textOf(value, 'NAME');
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
  throw new FilerError('path-unsupported', `${what} is no folder: share the one that it lies in`);
}

/** Who can fetch this machine's key is this machine. @throws FilerError `refused` */
async function requireNoKeys(folder: string, home: Home): Promise<void> {
  const secrets = [...home.own.homes, ...home.own.spools];
  const below = folder.endsWith(sep) ? folder : `${folder}${sep}`;
  const secret = secrets.find((each) => each === folder || each.startsWith(below));
  if (secret === undefined) return requireNotOwn(folder, await stat(folder, { bigint: true }));
  throw new FilerError(
    'refused',
    `${JSON.stringify(folder)} holds this machine's key (in ${secret}): share a folder without it`,
  );
}
