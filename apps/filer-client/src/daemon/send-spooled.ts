import { FilerError, type ErrorCode } from '@filer/protocol';
import { uploadAttachments } from '../reports/attachment-upload.ts';
import { drainSpool } from '../reports/spool-sender.ts';
import type { OperationContext } from './operation-context.ts';

type Parts = Pick<OperationContext, 'member' | 'access'>;

/** How long the asker waits to hear that its report was stored before it is told that it waits. */
const STORED_WITHIN_MS = 5_000;

/**
 * This process sends all that waits. The reports are on disk already, whatever happens.
 *
 * @returns why they wait
 * @throws FilerError where waiting helps nothing
 */
export async function sendSpooledHere(
  {
    member,
    access,
    schedules,
    software,
    log,
  }: Parts & Pick<OperationContext, 'schedules' | 'software' | 'log'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { session } = await access.session(signal);
    await drainSpool({
      spool: member.spool,
      session,
      upload: (report) => uploadAttachments(member, software, report, signal),
      dueOf: (name) => schedules.dueOf(name),
      log,
    });
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return whyItWaits(error);
  }
}

/** The daemon's link sends it: waits until it has, or for a while. @returns @throws as `sendSpooledHere` */
export async function awaitSpooled(
  { member, access }: Parts,
  seq: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await access.session(signal);
  } catch (error) {
    return whyItWaits(error);
  }
  access.kickSpool();
  const within = AbortSignal.timeout(STORED_WITHIN_MS);
  try {
    await member.spool.settled(seq, AbortSignal.any([within, signal]));
    return member.spool.problem?.message;
  } catch (error) {
    if (!within.aborted) throw error;
    return 'the ip-server has not stored it yet';
  }
}

/** The server will not take it, however long it waits: the reporter must know now. */
const FOR_GOOD: ReadonlySet<ErrorCode> = new Set([
  'removed',
  'not-a-member',
  'duplicate-identity',
  'identity-mismatch',
]);

/** @throws the error where waiting helps nothing; the report stays in the spool all the same */
function whyItWaits(error: unknown): string {
  if (!(error instanceof FilerError)) throw error;
  if (!FOR_GOOD.has(error.code)) return error.message;
  throw new FilerError(error.code, `${error.message} (the report is kept on disk)`, { cause: error });
}
