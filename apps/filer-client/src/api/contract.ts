import { doctorMethods } from './contract/doctor.ts';
import { eventMethods } from './contract/events.ts';
import { getMethods } from './contract/get.ts';
import { historyMethods } from './contract/history.ts';
import { inboxMethods } from './contract/inbox.ts';
import { pageMethods } from './contract/page.ts';
import { peerMethods } from './contract/peers.ts';
import { releaseMethods } from './contract/releases.ts';
import { reportMethods } from './contract/reports.ts';
import { sendMethods } from './contract/send.ts';
import { shareMethods } from './contract/shares.ts';
import { transferMethods } from './contract/transfers.ts';

/** Everything that can be asked of a filer-client. */
export const contract = {
  ...peerMethods,
  ...doctorMethods,
  ...pageMethods,
  ...sendMethods,
  ...transferMethods,
  ...releaseMethods,
  ...historyMethods,
  ...inboxMethods,
  ...getMethods,
  ...shareMethods,
  ...reportMethods,
  ...eventMethods,
};
