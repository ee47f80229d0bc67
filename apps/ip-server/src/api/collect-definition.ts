import { access, constants, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import {
  FilerError,
  Glob,
  isGroupName,
  isName,
  makeFolders,
  MAX_COLLECT_PATHS_BYTES,
  messageOf,
  nearNames,
  systemCode,
} from '@filer/protocol';
import { parseTimetable } from '@filer/program';
import { requireNotOwn } from '@filer/transfer';
import { isSlowEnough, SHORTEST_WORDS } from '../collect/timing.ts';
import type { Collect } from '../store/collect-store.ts';
import type { AdminApi } from './admin-api.ts';
import type { CollectDefinition } from './contract/collects.ts';
import { findMember } from './members.ts';

/** Reads what is to be collected, and makes its folder. @throws FilerError `usage`, `no-such-peer` */
export async function readCollect(api: AdminApi, given: CollectDefinition): Promise<Collect> {
  const { name, graceMs } = given;
  if (!isName(name)) throw new FilerError('usage', `${JSON.stringify(name)} is no name for a collect`);
  if ((await api.collects.get(name)) !== undefined) throw nameTaken(name);
  const timetable = parseTimetable({ kind: given.kind, text: given.timetable });
  const now = api.now();
  if (!isSlowEnough(timetable, now)) {
    throw new FilerError(
      'usage',
      `--${timetable.kind} ${timetable.text} is too often, machines need time to deliver: at most every ${SHORTEST_WORDS}, such as --every 1h`,
    );
  }
  const folder = given.folder ?? join(api.collected, name);
  if (!isAbsolute(folder)) throw new FilerError('usage', '--to takes the absolute path of a folder');
  const paths = readPaths(given.paths);
  const sources = await Promise.all(given.from.map((from) => readSource(api, from)));
  await checkFolder(api, folder, given.folder === undefined);
  return {
    name,
    sources: [...new Set(sources)],
    paths,
    timetable: { kind: timetable.kind, text: timetable.text },
    folder,
    graceMs,
    createdAt: now,
    nextAt: timetable.next(now),
  };
}

export function nameTaken(name: string): FilerError {
  return new FilerError(
    'name-taken',
    `there is a collect ${name} already: choose another name, or remove that one first`,
  );
}

function readPaths(paths: readonly string[]): string[] {
  const globs = [...new Set(paths.map((path) => Glob.parse(path).text))];
  if (Buffer.byteLength(JSON.stringify(globs)) > MAX_COLLECT_PATHS_BYTES / 2)
    throw new FilerError('usage', '--path: these patterns are too long together');
  return globs;
}

/** A group that no one is in yet is one if an invite names it. @throws FilerError `no-such-peer` */
async function readSource(api: AdminApi, from: string): Promise<string> {
  if (from === '@all') return from;
  if (!from.startsWith('@')) return findMember(api, from).membership.id;
  const group = from.slice(1);
  const groups = new Set([
    ...api.directory
      .all()
      .flatMap(({ status, membership }) => (status === 'member' ? membership.groups : [])),
    ...(await api.registry.invites()).flatMap(({ grant }) => grant.groups),
  ]);
  if (isGroupName(group) && groups.has(group)) return from;
  const near = nearNames(group, groups).map((each) => `@${each}`);
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : '@all is everyone';
  throw new FilerError('no-such-peer', `no machine is in a group ${from}, ${hint}`);
}

/** No two collects may mix their files, and what comes must find its place. @throws FilerError `usage`, `refused` */
async function checkFolder(api: AdminApi, folder: string, isOurs: boolean): Promise<void> {
  const other = (await api.collects.all()).find(
    (each) => isInside(each.folder, folder) || isInside(folder, each.folder),
  );
  if (other !== undefined) {
    throw new FilerError(
      'usage',
      `--to ${folder}: the collect ${other.name} has its files in ${other.folder}, give each a folder of its own`,
    );
  }
  try {
    makeFolders(folder);
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    const what = isOurs ? folder : `--to ${folder}`;
    throw new FilerError(
      'usage',
      `${what}: ip-server cannot write there (${messageOf(error)}), name a folder that it may write to, such as --to /srv/collected`,
    );
  }
  requireNotOwn(folder, await stat(folder, { bigint: true }));
}

function isInside(above: string, folder: string): boolean {
  const way = relative(above, folder);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}
