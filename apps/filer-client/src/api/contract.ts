import { method } from '@filer/program';
import * as v from 'valibot';

const unchecked = (name: string) =>
  method(name, { params: v.unknown(), item: v.unknown(), result: v.unknown() });

/** Everything that can be asked of a filer-client. What has no schemas yet is unchecked, and `perform` names its types. */
export const contract = {
  status: unchecked('status'),
  peers: unchecked('peers'),
  message: unchecked('message'),
  broadcast: unchecked('broadcast'),
  report: unchecked('report'),
  scheduleAdd: unchecked('scheduleAdd'),
  scheduleList: unchecked('scheduleList'),
  scheduleRemove: unchecked('scheduleRemove'),
  scheduleRun: unchecked('scheduleRun'),
  spoolRetry: unchecked('spoolRetry'),
  spoolDrop: unchecked('spoolDrop'),
  send: unchecked('send'),
  transfers: unchecked('transfers'),
  retry: unchecked('retry'),
  cancel: unchecked('cancel'),
  verify: unchecked('verify'),
  answerOffers: unchecked('answerOffers'),
  get: unchecked('get'),
  ls: unchecked('ls'),
  shareAdd: unchecked('shareAdd'),
  shareList: unchecked('shareList'),
  shareRemove: unchecked('shareRemove'),
  watchAdd: unchecked('watchAdd'),
  watchList: unchecked('watchList'),
  watchRemove: unchecked('watchRemove'),
  trust: unchecked('trust'),
  server: unchecked('server'),
  leave: unchecked('leave'),
  connections: unchecked('connections'),
  connect: unchecked('connect'),
  disconnect: unchecked('disconnect'),
  follow: unchecked('follow'),
};
