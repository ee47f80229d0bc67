import { existsSync } from 'node:fs';
import { formatHostPort } from '@filer/protocol';
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
  return {
    id: founding.server,
    network: founding.network,
    ...status,
    addresses: reach.addresses.map(formatHostPort),
    members,
    online,
    networkKey: existsSync(home.networkKeyFile) ? 'here' : 'exported',
    attachmentBytes: await api.attachments.amount('bytes'),
    late,
    missing,
    alarms: {
      ...api.alarmSettings,
      waiting: { hook: await alarms.waiting('hook'), webhook: await alarms.waiting('webhook') },
      problem: alarmProblem,
    },
    home: home.identityFolder,
  };
}
