import { freemem, loadavg, totalmem, uptime } from 'node:os';
import { diskNear, type Heartbeat } from '@filer/protocol';
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

/** Free on the disk of a folder; 0 where that is not told. */
async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await diskNear(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}
