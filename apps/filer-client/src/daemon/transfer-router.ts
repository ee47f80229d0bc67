import {
  fetchMessage,
  FilerError,
  TRANSFER_LIMITS,
  TRANSFER_STALL_MS,
  type Membership,
  type Messenger,
} from '@filer/protocol';
import type { FetchServer } from '../serve/fetch-server.ts';
import type { TransferIntake } from '../receive/intake.ts';

/** The two ways that files go. */
export interface Transfers {
  readonly intake: TransferIntake;
  readonly fetches: FetchServer;
}

/** Serves a connection that a member opened for a transfer: what it says first tells which way the files go. */
export async function serveTransfer(
  messenger: Messenger,
  from: Membership,
  { intake, fetches }: Transfers,
): Promise<void> {
  messenger.setLimits(TRANSFER_LIMITS);
  const timer = setTimeout(() => {
    messenger.reject(new FilerError('timed-out', 'no message arrived on a connection for a transfer'));
  }, TRANSFER_STALL_MS);
  const first = await messenger.peek();
  clearTimeout(timer);
  if (first !== undefined && fetchMessage.is(first)) await fetches.serve(messenger, from);
  else await intake.take(messenger, from);
}
