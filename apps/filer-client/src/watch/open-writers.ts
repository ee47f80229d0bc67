import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { systemCode } from '@filer/protocol';

/** Where Linux tells what each process has open. */
const PROCESSES = '/proc';
/** The bits of a descriptor's flags that say how it was opened; 0 is for reading alone. */
const ACCESS_MODE = 0o3;

/**
 * Of some files those that a process has open for writing: it may only pause. Sees the processes of this user (of all,
 * for root) on this machine, on Linux; elsewhere none.
 *
 * @param files path to inode, as `dev:ino`
 * @returns their paths
 */
export async function openForWriting(files: ReadonlyMap<string, string>): Promise<Set<string>> {
  const names = new Set([...files.keys()].map((path) => basename(path)));
  const paths = new Map([...files].map(([path, inode]) => [inode, path]));
  const open = new Set<string>();
  for (const pid of await readdirOrNone(PROCESSES)) {
    if (!/^[0-9]+$/.test(pid)) continue;
    const folder = `${PROCESSES}/${pid}/fd`;
    const descriptors = await readdirOrNone(folder);
    await Promise.all(
      descriptors.map(async (descriptor) => {
        const inode = await inodeOf(`${folder}/${descriptor}`, names);
        const path = inode === undefined ? undefined : paths.get(inode);
        if (path === undefined) return;
        if (await isForWriting(`${PROCESSES}/${pid}/fdinfo/${descriptor}`)) open.add(path);
      }),
    );
  }
  return open;
}

/** What a descriptor is open on, if that has one of these names. Asked for by name first: a file system may not answer. */
async function inodeOf(descriptor: string, names: ReadonlySet<string>): Promise<string | undefined> {
  const target = await orNone(readlink(descriptor));
  if (target?.startsWith('/') !== true || !names.has(basename(target))) return undefined;
  const found = await orNone(stat(descriptor, { bigint: true }));
  return found === undefined ? undefined : `${found.dev}:${found.ino}`;
}

async function isForWriting(info: string): Promise<boolean> {
  const [, flags] = /^flags:\s*([0-7]+)$/m.exec((await orNone(readFile(info, 'latin1'))) ?? '') ?? [];
  return flags !== undefined && (Number.parseInt(flags, 8) & ACCESS_MODE) !== 0;
}

async function readdirOrNone(folder: string): Promise<string[]> {
  return (await orNone(readdir(folder))) ?? [];
}

/** Processes end, and those of others are none of our concern. */
async function orNone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}
