import { readlinkSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { systemCode } from '@filer/protocol';

/** Where Linux tells what each process has open. */
const PROCESSES = '/proc';
/** The bits of a descriptor's flags that say how it was opened; 0 is for reading alone. */
const ACCESS_MODE = 0o3;

/** Descriptors that are looked at before others have their turn: about a millisecond. */
const AT_ONCE = 200;

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
    for (let at = 0; at < descriptors.length; at += AT_ONCE) {
      if (at > 0) await turn();
      for (const descriptor of descriptors.slice(at, at + AT_ONCE)) {
        if (!hasName(`${folder}/${descriptor}`, names)) continue;
        const found = await orNone(stat(`${folder}/${descriptor}`, { bigint: true }));
        const path = found === undefined ? undefined : paths.get(`${found.dev}:${found.ino}`);
        if (path === undefined) continue;
        if (await isForWriting(`${PROCESSES}/${pid}/fdinfo/${descriptor}`)) open.add(path);
      }
    }
  }
  return open;
}

/**
 * Whether a descriptor is open on a file of one of these names: a file system that does not answer is not asked. The
 * kernel has the name at hand, and a thread for each of a million descriptors would cost four times as much.
 */
function hasName(descriptor: string, names: ReadonlySet<string>): boolean {
  try {
    const target = readlinkSync(descriptor);
    return target.startsWith('/') && names.has(basename(target));
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
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
