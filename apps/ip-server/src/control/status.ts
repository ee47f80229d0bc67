import { existsSync } from 'node:fs';
import { formatHostPort } from '@filer/protocol';
import type { Desk } from './desk.ts';

/** What `status` says. */
export interface StatusDocument {
  readonly id: string;
  readonly network: string;
  readonly running: boolean;
  readonly version: string | null;
  readonly pid: number | null;
  readonly uptimeMs: number | null;
  /** `host:port`, bound; null while stopped. */
  readonly listen: string | null;
  /** Where invites say that it is. */
  readonly addresses: readonly string[];
  readonly http: null;
  readonly members: number;
  readonly online: number;
  readonly connections: number;
  /** `here`: whoever controls this server can admit members. `exported`: invites and removals need the file. */
  readonly networkKey: 'here' | 'exported';
  /** What the files of reports take, in bytes. */
  readonly attachmentBytes: number;
  /** Why the store fails, or takes no attachments; null while it works. */
  readonly storeProblem: string | null;
  readonly home: string;
}

export function statusDocument(desk: Desk): StatusDocument {
  const { founding, home, directory, daemon, addresses, now } = desk;
  daemon?.presence.sweep(now());
  const members = directory.all().filter(({ status }) => status === 'member');
  const listened = daemon?.listened;
  return {
    id: founding.server,
    network: founding.network,
    running: daemon !== undefined,
    version: daemon?.version ?? null,
    pid: daemon === undefined ? null : process.pid,
    uptimeMs: daemon === undefined ? null : now() - daemon.startedAt,
    listen: listened === undefined ? null : formatHostPort(listened),
    addresses: addresses.map(formatHostPort),
    http: null,
    members: members.length,
    online: daemon === undefined ? 0 : members.filter(({ presence }) => presence === 'online').length,
    connections: daemon?.network.messengers.size ?? 0,
    networkKey: existsSync(home.networkKeyFile) ? 'here' : 'exported',
    attachmentBytes: desk.attachments.bytes,
    storeProblem: daemon?.health.problem?.message ?? null,
    home: home.identityFolder,
  };
}
