import { acquireLock, KeptClock, type Logger } from '@filer/program';
import { isMachineName } from '@filer/protocol';
import { Member } from '../network/member.ts';
import { standingLimit } from '../network/standing-limits.ts';
import { HistoryKeeper } from './history-keeper.ts';
import { MessageKeeper } from './message-keeper.ts';
import type { DaemonOptions } from './daemon-options.ts';

/** Locks the home, and opens what it keeps within the bounds of the settings. @throws FilerError as `openDaemon` */
export async function openOwnSide(
  { home, settings, log, passOnFromBytes }: DaemonOptions,
  closing: AsyncDisposableStack,
): Promise<Member> {
  closing.adopt(await acquireLock(home.lockFile), (lock) => lock.release());
  const member = closing.use(await Member.open(home, { keepFreeBytes: settings.keepFree, passOnFromBytes }));
  member.requireStaying();
  const { clock, database, spool, messages } = member;
  const now = (): number => clock.now();
  spool.maxFileBytes = settings.attachmentSpace;
  messages.roomBytes = settings.messageSpace;
  member.limits = { send: standingLimit(settings.limit), receive: standingLimit(settings.receiveLimit) };
  if (spool.folders.clean() > 0) log.info('attachments without a spooled report were removed');
  closing.adopt(new KeptClock({ clock, save: (trust) => member.saveClock(trust), log }), (kept) =>
    kept.close(),
  );
  closing.use(new HistoryKeeper({ database, now, keepMs: settings.historyKeepMs, log }));
  closing.use(new MessageKeeper({ messages, now, keepMs: settings.keepMessagesMs, log }));
  warnOfReservedName(member, log);
  return member;
}

function warnOfReservedName({ name }: Member, log: Logger): void {
  if (isMachineName(name)) return;
  log.warn('this machine has a reserved name, and the other machines refuse it', {
    name,
    remedy: `ip-server rename ${name} NAME`,
  });
}
