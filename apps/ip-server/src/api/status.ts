import { existsSync } from 'node:fs';
import { FilerError, formatHostPort } from '@filer/protocol';
import type { AdminApi } from './admin-api.ts';
import type { StatusDocument } from './contract/server.ts';

export async function statusDocument(api: AdminApi): Promise<StatusDocument> {
  const { founding, home, overview, network, reach, alarms } = api;
  let [members, online, late, missing] = [0, 0, 0, 0];
  for await (const some of overview.inTurns(({ status: how }) => how === 'member')) {
    members += some.length;
    online += some.filter((peer) => peer.online).length;
    late += some.filter(({ reports }) => reports === 'late').length;
    missing += some.filter(({ reports }) => reports === 'missing').length;
  }
  const { alarmProblem, ...status } = network.status;
  const [attachmentBytes, hook, webhook, store] = await Promise.all([
    ifReached(api.attachments.amount('bytes')),
    ifReached(alarms.waiting('hook')),
    ifReached(alarms.waiting('webhook')),
    storeStatus(api),
  ]);
  return {
    id: founding.server,
    network: founding.network,
    ...status,
    addresses: reach.addresses.map(formatHostPort),
    members,
    online,
    networkKey: existsSync(home.networkKeyFile) ? 'here' : 'exported',
    attachmentBytes,
    store,
    late,
    missing,
    alarms: {
      ...api.alarmSettings,
      waiting: { hook, webhook },
      problem: alarmProblem,
    },
    home: home.identityFolder,
  };
}

async function storeStatus({ storeAt, storeBytes }: AdminApi): Promise<StatusDocument['store']> {
  try {
    return { ...storeAt, bytes: await storeBytes(), reachable: true, problem: null };
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return { ...storeAt, bytes: null, reachable: false, problem: error.message };
  }
}

/** @returns null while the store cannot be reached */
async function ifReached<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof FilerError) return null;
    throw error;
  }
}
