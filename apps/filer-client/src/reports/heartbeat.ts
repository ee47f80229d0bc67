import { statfs } from 'node:fs/promises';
import { freemem, loadavg, totalmem, uptime } from 'node:os';
import { dirname } from 'node:path';
import type { Heartbeat } from '@filer/protocol';
import type { Member } from '../network/member.ts';

/** The volatile numbers of this machine now. */
export async function measureHeartbeat(member: Member, inbox: string, transfers: number): Promise<Heartbeat> {
  return {
    uptimeMs: Math.round(uptime() * 1000),
    loadHundredths: Math.round((loadavg()[0] ?? 0) * 100),
    memoryTotalBytes: totalmem(),
    memoryFreeBytes: freemem(),
    inboxFreeBytes: await freeBytes(inbox),
    transfers,
    spooled: member.spool.size,
  };
}

/** Free on the disk of a folder that may not exist yet: then of the nearest one above it. */
async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    const parent = dirname(folder);
    return parent === folder ? 0 : freeBytes(parent);
  }
}
