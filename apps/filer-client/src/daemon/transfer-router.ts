import {
  carryMessage,
  extrasMessage,
  fetchMessage,
  FilerError,
  holdMessage,
  PARALLEL,
  parallelOfMessage,
  PASS_ON,
  TRANSFER_LIMITS,
  TRANSFER_STALL_MS,
  type Hello,
  type Membership,
  type Messenger,
} from '@filer/protocol';
import { dialBack } from '../network/dial-back.ts';
import type { Outreach } from '../network/outreach.ts';
import type { ParallelConnections } from '../network/parallel-connections.ts';
import type { PassingOn } from '../jobs/passing-on.ts';
import type { TransferIntake } from '../receive/intake.ts';
import type { FetchServer } from '../serve/fetch-server.ts';

/** The two ways that files go. */
export interface Transfers {
  readonly intake: TransferIntake;
  readonly fetches: FetchServer;
  readonly passing: PassingOn;
}

/** Serves a connection that a member opened for a transfer: over it, or over one of our own if the member asks for that. */
export async function serveTransfer(
  messenger: Messenger,
  from: Membership,
  hello: Hello,
  { outreach, ...transfers }: Transfers & { readonly outreach: Outreach },
): Promise<void> {
  const own = await dialBack(outreach, messenger, from, hello);
  try {
    await serve(own ?? messenger, from, hello, transfers, outreach.member.parallel);
  } finally {
    await own?.close();
  }
}

/** What it says first tells which way the files go. */
async function serve(
  messenger: Messenger,
  from: Membership,
  { features }: Hello,
  { intake, fetches, passing }: Transfers,
  parallel: ParallelConnections,
): Promise<void> {
  messenger.setLimits(TRANSFER_LIMITS);
  const timer = setTimeout(() => {
    messenger.reject(new FilerError('timed-out', 'no message arrived on a connection for a transfer'));
  }, TRANSFER_STALL_MS);
  const first = await messenger.peek();
  clearTimeout(timer);
  if (first !== undefined && extrasMessage.is(first)) await intake.tellExtras(messenger, from);
  else if (first !== undefined && fetchMessage.is(first)) await fetches.serve(messenger, from, features);
  else if (first !== undefined && carryMessage.is(first)) await passing.serve(messenger, from);
  else if (first !== undefined && holdMessage.is(first)) await passing.hold(messenger, from);
  else if (first !== undefined && parallelOfMessage.is(first)) await parallel.take(messenger, from);
  else
    await intake.take(messenger, from, {
      passesOn: features.includes(PASS_ON) ? passing : undefined,
      isParallel: features.includes(PARALLEL),
    });
}
