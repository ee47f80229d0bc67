import { randomUUIDv7 } from 'node:crypto';
import { join } from 'node:path';
import type { Membership } from '@filer/protocol';
import type { ReceivedFile } from '@filer/transfer';
import type { Member } from '../network/member.ts';

/** What a file that came takes in the database: in two lists, with their indexes. */
const ROW_BYTES = 2_048;

/** Notes files that were removed for their sender. @param paths relative to the inbox @throws FilerError of the store */
export async function recordRemoved(
  member: Member,
  folder: string,
  paths: readonly string[],
  from: Membership,
): Promise<void> {
  await member.inbox.removed(
    from.id,
    paths.map((path) => join(folder, path)),
  );
}

interface RecordParts extends Pick<Member, 'inbox'> {
  readonly room: Pick<Member['room'], 'require'>;
  readonly clock: Pick<Member['clock'], 'stamp'>;
  readonly events: Pick<Member['events'], 'publish'>;
}

/** Notes a file that is in place, before its receipt is given. @param sync whether on the disk, too @throws FilerError `no-space`, of the store */
export async function recordInInbox(
  { inbox, room, clock, events }: RecordParts,
  { file: path, name, size, digest, note, job, present }: ReceivedFile,
  from: Pick<Membership, 'id' | 'name'>,
  sync: boolean,
): Promise<void> {
  const wasThere = present === true;
  if (wasThere && inbox.has(from.id, path, digest)) {
    // Another transfer may have added it just now, or failed to bring it there.
    if (sync) await inbox.onDisk();
    return;
  }
  room.require(ROW_BYTES);
  // Ids in the order of time go to the end of their index: one at random brings a page of its own to the disk.
  const item = { id: randomUUIDv7(), path, name, size, digest, note };
  const sender = { from: from.id, fromName: from.name };
  await inbox.add({ ...item, ...sender, job, receivedAt: clock.stamp(), state: 'received', wasThere }, sync);
  events.publish('received', { ...item, from: from.name, fromId: from.id });
}
