import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { requireNotOwn } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import { TransferIntake } from '../receive/intake.ts';
import { CollectDeliveries } from '../send/collect-deliveries.ts';
import { FetchServer } from '../serve/fetch-server.ts';
import { PossessionServer } from '../serve/possession-server.ts';
import type { DaemonOptions } from './daemon-options.ts';

/** Files that come, and those that others ask for. */
export interface IncomingSide {
  /** Absolute: commands that ask where a file is have another working folder. */
  readonly inbox: string;
  readonly intake: TransferIntake;
  readonly holdings: PossessionServer;
  readonly fetches: FetchServer;
  readonly collects: CollectDeliveries;
}

/** @throws FilerError `refused` for an inbox that this program keeps its own files in */
export async function openIncomingSide(
  { home, settings, software, environment, log }: DaemonOptions,
  member: Member,
  closing: AsyncDisposableStack,
): Promise<IncomingSide> {
  const inbox = resolve(settings.inbox ?? home.inbox);
  const found = statSync(inbox, { bigint: true, throwIfNoEntry: false });
  if (found !== undefined) requireNotOwn(inbox, found);
  const intakeOptions = { member, inbox, settings, environment, log };
  const intake = closing.adopt(await TransferIntake.open(intakeOptions), (it) => it.close());
  const { slots } = intake;
  const holdings = closing.adopt(new PossessionServer({ member, inbox, log }), (it) => it.close());
  const fetches = closing.adopt(new FetchServer({ member, slots, log }), (it) => it.close());
  return {
    inbox,
    intake,
    holdings,
    fetches,
    collects: new CollectDeliveries({ member, software, slots, log }),
  };
}
