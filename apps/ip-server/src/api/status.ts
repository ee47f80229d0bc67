import { existsSync } from 'node:fs';
import { formatHostPort } from '@filer/protocol';
import type { AdminApi } from './admin-api.ts';
import type { StatusDocument } from './contract/server.ts';

export function statusDocument(api: AdminApi): StatusDocument {
  const { founding, home, overview, network, reach, alarms } = api;
  const peers = overview.peers(false);
  const { alarmProblem, ...status } = network.status;
  return {
    id: founding.server,
    network: founding.network,
    ...status,
    addresses: reach.addresses.map(formatHostPort),
    http: null,
    members: peers.length,
    online: peers.filter(({ online }) => online).length,
    networkKey: existsSync(home.networkKeyFile) ? 'here' : 'exported',
    attachmentBytes: api.attachments.bytes,
    late: peers.filter(({ reports }) => reports === 'late').length,
    missing: peers.filter(({ reports }) => reports === 'missing').length,
    alarms: {
      ...api.alarmSettings,
      waiting: { hook: alarms.waiting('hook'), webhook: alarms.waiting('webhook') },
      problem: alarmProblem,
    },
    home: home.identityFolder,
  };
}
