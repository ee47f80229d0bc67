import type { VerifyDone } from '../jobs/verify-job.ts';
import type { WatchDocument } from '../watch/watch-document.ts';
import { answerOffers, type AnsweredOffer } from './operations/answer-offers.ts';
import type { ConnectionLine } from './connection-list.ts';
import { connect, connections, disconnect, follow } from './operations/connections.ts';
import { get, type GetDone } from './operations/get.ts';
import { cancel, retry, transfers, verify, type Transfers } from './operations/jobs.ts';
import { ls } from './operations/ls.ts';
import { leave, server, trust } from './operations/network.ts';
import { peers, type Peers } from './operations/peers.ts';
import { report, type ReportOutcome } from './operations/report.ts';
import {
  scheduleAdd,
  scheduleList,
  scheduleRemove,
  scheduleRun,
  type ScheduleLine,
  type ScheduleList,
  type ScheduleRunOutcome,
} from './operations/schedules.ts';
import { spoolDrop, spoolRetry, type SpoolAnswer } from './operations/spool.ts';
import { send, type SendDone } from './operations/send.ts';
import { shareAdd, shareList, shareRemove, type ShareLine } from './operations/shares.ts';
import { status, type Status } from './operations/status.ts';
import { broadcast, message, type TextOutcome } from './operations/texts.ts';
import { watchAdd, watchList, watchRemove, type Watching } from './operations/watches.ts';
import type { Operation } from './site.ts';

/** What each operation gives back. */
export interface OperationResults {
  readonly status: Status;
  readonly peers: Peers;
  readonly message: TextOutcome;
  readonly broadcast: TextOutcome;
  readonly report: ReportOutcome;
  readonly scheduleAdd: ScheduleLine & { readonly daemon: boolean };
  readonly scheduleList: ScheduleList;
  readonly scheduleRemove: { readonly name: string };
  readonly scheduleRun: ScheduleRunOutcome;
  readonly spoolRetry: SpoolAnswer;
  readonly spoolDrop: SpoolAnswer;
  readonly send: SendDone;
  readonly transfers: Transfers;
  readonly retry: SendDone;
  readonly verify: VerifyDone;
  readonly cancel: { readonly job: string; readonly recipients: number };
  readonly answerOffers: { readonly offers: readonly AnsweredOffer[] };
  readonly get: GetDone;
  readonly ls: {
    readonly peer: string;
    readonly id: string;
    readonly path: string;
    readonly count: number;
    /** Why not all is told; null when it is. */
    readonly leftOut: string | null;
  };
  readonly shareAdd: ShareLine;
  readonly shareList: { readonly shares: readonly ShareLine[] };
  readonly shareRemove: { readonly name: string };
  readonly watchAdd: Watching;
  readonly watchList: { readonly watches: readonly WatchDocument[] };
  readonly watchRemove: {
    readonly id: string;
    readonly name: string;
    readonly folder: string;
    readonly waiting: number;
  };
  readonly trust: {
    readonly name: string;
    readonly id: string;
    readonly was: string;
    readonly changed: boolean;
  };
  readonly server: { readonly address: string; readonly id: string; readonly connected: boolean | null };
  readonly leave: {
    readonly name: string;
    readonly id: string;
    readonly network: string;
    readonly told: boolean;
    readonly spooled: number;
    readonly jobs: number;
  };
  readonly connections: { readonly connections: readonly ConnectionLine[] };
  readonly connect: { readonly name: string; readonly id: string };
  readonly disconnect: { readonly name: string; readonly closed: number };
  readonly follow: object;
}

export type OperationName = keyof OperationResults;

/** All that a command can ask of a home, with or without a daemon. */
export const operations: Readonly<Record<OperationName, Operation>> = {
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
