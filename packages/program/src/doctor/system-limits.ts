import { readdirSync, readFileSync } from 'node:fs';
import { systemCode } from '@filer/protocol';
import { failed, ok, skipped, warning, type Check } from './check.ts';

/** Below this a tree of folders cannot be watched, in folders. */
const FEW_WATCHES = 8_192;
const FEW_INSTANCES = 16;

/** Where Linux says what a process may have. */
export interface ProcFolder {
  /** @default /proc */
  readonly proc?: string;
  /** Whose limits. @default this process */
  readonly pid?: number | 'self';
}

/** Files and connections that this process may have open. @param needed for what it has to serve */
export function checkDescriptors(needed: number, { proc = '/proc', pid = 'self' }: ProcFolder = {}): Check {
  const [, soft, hard] =
    /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(textOf(`${proc}/${pid}/limits`) ?? '') ?? [];
  if (soft === undefined)
    return skipped('descriptors', 'this system does not say how many files may be open');
  const limit = soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft);
  const used = countOf(`${proc}/${pid}/fd`);
  const facts = { limit: soft === 'unlimited' ? null : limit, hardLimit: hard ?? null, used, needed };
  const words = `${used ?? '?'} of ${soft} files and connections are open`;
  if (limit >= needed) return ok('descriptors', words, facts);
  return failed(
    'descriptors',
    `${words}, and ${needed} may be needed`,
    'raise `LimitNOFILE=` of the service, or `ulimit -n`, and restart',
    facts,
  );
}

/** How many folders the system may tell this user of. @param used by watched folders here */
export function checkInotify(used: number, { proc = '/proc' }: ProcFolder = {}): Check {
  const [watches, instances] = ['max_user_watches', 'max_user_instances'].map((name) =>
    numberIn(`${proc}/sys/fs/inotify/${name}`),
  );
  if (watches === undefined || instances === undefined)
    return skipped('inotify', 'this system has no such limits');
  const facts = { maxUserWatches: watches, maxUserInstances: instances, used };
  const words = `the system tells this user of changes in ${watches} folders, over ${instances} watchers`;
  if (watches >= FEW_WATCHES && instances >= FEW_INSTANCES) return ok('inotify', words, facts);
  const [name, value] = watches < FEW_WATCHES ? ['max_user_watches', 524_288] : ['max_user_instances', 512];
  const remedy = `sudo sysctl -w fs.inotify.${name}=${value}`;
  // Nothing is watched here: it may be, and then this is too little.
  if (used === 0) return warning('inotify', `${words}: too few for large watched folders`, remedy, facts);
  return failed('inotify', `${words}: watched folders here need more`, remedy, facts);
}

function numberIn(file: string): number | undefined {
  const text = textOf(file)?.trim();
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined; // not Linux
  }
}

function countOf(folder: string): number | null {
  try {
    return readdirSync(folder).length;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return null;
  }
}
