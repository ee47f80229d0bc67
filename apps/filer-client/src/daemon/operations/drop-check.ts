import { formatBytes } from '@filer/program';
import { FilerError } from '@filer/protocol';
import type { sendMethods } from '../../api/contract/send.ts';
import { MAX_ENTRIES, tooMany } from '../../send/drops.ts';
import type { OperationOf } from '../operation-context.ts';
import { findRecipients } from './recipients.ts';
import { requireShortNote } from './send.ts';

/** As one of `send`. */
const TIMEOUT_MS = 60_000;

/** What a page asks before it sends what was dropped: a refusal in the middle of that is not heard by every browser. */
export const dropCheck: OperationOf<typeof sendMethods.dropCheck> = async (
  context,
  { to, note, files, entries = files, bytes, upload },
  { signal, caller },
) => {
  const { room } = context.member;
  requireShortNote(note);
  if (Math.max(files, entries) > MAX_ENTRIES) throw tooMany();
  const known =
    upload === undefined
      ? undefined
      : await context.daemon.knownDrop({ session: caller.id, id: upload }, signal);
  if (known !== undefined) {
    const recipients = context.member.jobs.deliveries(known.job);
    return { recipients: recipients.map(({ name, peer: id }) => ({ name, id })), job: known.job };
  }
  const recipients = await findRecipients(context, to, signal, TIMEOUT_MS);
  if (bytes > room.bytes || entries > room.files) {
    const free = formatBytes(Math.max(0, room.bytes));
    throw new FilerError(
      'no-space',
      `what is dropped is copied until everyone has it, and its ${formatBytes(bytes)} do not fit into ${free} of free space: send it with \`filer-client send\`, which keeps no copy`,
    );
  }
  return { recipients: recipients.map(({ name, id }) => ({ name, id })), job: null };
};
