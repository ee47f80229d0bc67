import { existsSync } from 'node:fs';
import { formatHostPort } from '@filer/protocol';
import type { AdminApi } from './admin-api.ts';
import type { StatusDocument } from './contract/server.ts';

export async function statusDocument(api: AdminApi): Promise<StatusDocument> {
  const { founding, home, overview, network, reach, alarms } = api;
  const peers = overview.peers(false);
  const { alarmProblem, ...status } = network.status;
  return {
    id: founding.server,
    network: founding.network,
    ...status,
    addresses: reach.addresses.map(formatHostPort),
    members: peers.length,
    online: peers.filter(({ online }) => online).length,
    networkKey: existsSync(home.networkKeyFile) ? 'here' : 'exported',
    attachmentBytes: await api.attachments.amount('bytes'),
    late: peers.filter(({ reports }) => reports === 'late').length,
    missing: peers.filter(({ reports }) => reports === 'missing').length,
    alarms: {
      ...api.alarmSettings,
      waiting: { hook: await alarms.waiting('hook'), webhook: await alarms.waiting('webhook') },
      problem: alarmProblem,
    },
    home: home.identityFolder,
  };
}
