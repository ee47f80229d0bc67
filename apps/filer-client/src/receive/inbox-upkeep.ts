import { makeFolders, systemCode, writeFailure } from '@filer/protocol';
import type { Logger } from '@filer/program';
import { cleanParts } from '@filer/transfer';
import type { Member } from '../network/member.ts';

const CLEAN_EVERY_MS = 24 * 3_600_000;

/** For so long a transfer continues in the folder in which it began, in ms. */
const ARRIVAL_KEPT_MS = 30 * 24 * 3_600_000;

type Owner = Pick<Member, 'arrivals' | 'clock'>;

/**
 * Makes the inbox if it is not there, and removes what killed transfers left in it, but what can be resumed; then each day what
 * its senders have not come back for. Hold the home's lock.
 *
 * @returns ends that
 * @throws FilerError `home-not-writable`
 */
export async function keepInbox(inbox: string, member: Owner, log: Logger): Promise<Disposable> {
  try {
    makeFolders(inbox, 0o700);
    const removed = await cleanParts(inbox, { uselessOlderThanMs: 0, now: member.clock.now() });
    if (removed > 0) log.info('stale partial files were removed', { files: removed });
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    const otherwise = 'choose another inbox with --inbox';
    throw writeFailure(`the inbox ${inbox} cannot be used`, inbox, error, { otherwise });
  }
  forgetArrivals(member);
  const timer = setInterval(() => clean(inbox, member, log), CLEAN_EVERY_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function clean(inbox: string, member: Owner, log: Logger): void {
  try {
    forgetArrivals(member);
  } catch (error) {
    log.warn('old transfers were not forgotten', { error });
  }
  cleanParts(inbox, { now: member.clock.now() }).catch((error: unknown) =>
    log.warn('old parts were not removed', { error }),
  );
}

function forgetArrivals({ arrivals, clock }: Owner): void {
  arrivals.forgetBefore(clock.now() - ARRIVAL_KEPT_MS);
}
