import { answerOffers } from './operations/answer-offers.ts';
import { connect, connections, disconnect, follow } from './operations/connections.ts';
import { get } from './operations/get.ts';
import { cancel, retry, transfers, verify } from './operations/jobs.ts';
import { ls } from './operations/ls.ts';
import { leave, server, trust } from './operations/network.ts';
import { peers } from './operations/peers.ts';
import { report } from './operations/report.ts';
import { scheduleAdd, scheduleList, scheduleRemove, scheduleRun } from './operations/schedules.ts';
import { send } from './operations/send.ts';
import { shareAdd, shareList, shareRemove } from './operations/shares.ts';
import { spoolDrop, spoolRetry } from './operations/spool.ts';
import { status } from './operations/status.ts';
import { broadcast, message } from './operations/texts.ts';
import { watchAdd, watchList, watchRemove } from './operations/watches.ts';

/** What does each method of the contract, in a daemon that runs and in an ephemeral one. */
export const operations = {
  status,
  peers,
  message,
  broadcast,
  report,
  scheduleAdd,
  scheduleList,
  scheduleRemove,
  scheduleRun,
  spoolRetry,
  spoolDrop,
  send,
  transfers,
  retry,
  cancel,
  verify,
  answerOffers,
  get,
  ls,
  shareAdd,
  shareList,
  shareRemove,
  watchAdd,
  watchList,
  watchRemove,
  trust,
  server,
  leave,
  connections,
  connect,
  disconnect,
  follow,
};
