import * as answers from './operations/answer-offers.ts';
import * as connections from './operations/connections.ts';
import * as doctor from './operations/doctor.ts';
import * as drops from './operations/drop-check.ts';
import * as events from './operations/events.ts';
import * as get from './operations/get.ts';
import * as history from './operations/history.ts';
import * as inbox from './operations/inbox.ts';
import * as jobs from './operations/jobs.ts';
import * as ls from './operations/ls.ts';
import * as network from './operations/network.ts';
import * as page from './operations/page.ts';
import * as peers from './operations/peers.ts';
import * as releases from './operations/releases.ts';
import * as report from './operations/report.ts';
import * as schedules from './operations/schedules.ts';
import * as send from './operations/send.ts';
import * as shares from './operations/shares.ts';
import * as spool from './operations/spool.ts';
import * as status from './operations/status.ts';
import * as texts from './operations/texts.ts';
import * as watches from './operations/watches.ts';

/** What does each method of the contract, under its key, in a daemon that runs and in an ephemeral one. */
export const operations = {
  ...answers,
  ...connections,
  ...doctor,
  ...drops,
  ...events,
  ...get,
  ...history,
  ...inbox,
  ...jobs,
  ...ls,
  ...network,
  ...page,
  ...peers,
  ...releases,
  ...report,
  ...schedules,
  ...send,
  ...shares,
  ...spool,
  ...status,
  ...texts,
  ...watches,
};
