import { iso, type Handlers, type TypesOf } from '@filer/program';
import type { AuditEntry } from '../store/audit-store.ts';
import type { StoredToken } from '../store/token-store.ts';
import type { AdminApi } from './admin-api.ts';
import type { AuditDocument, TokenEntry, tokenMethods } from './contract/tokens.ts';

type Methods = typeof tokenMethods;

/** The methods of tokens and of what was done with them. */
export function tokenHandlers(api: AdminApi): Handlers<{ [K in keyof Methods]: TypesOf<Methods[K]> }> {
  const { tokens, auditStore, network, directory } = api;
  return {
    tokenAdd: async ({ name, role, expiresMs }) => {
      const { token, stored } = await tokens.add(name, role, expiresMs);
      return { ...tokenEntry(stored), token, url: network.status.http };
    },
    tokens: async () => ({ tokens: (await tokens.all()).map(tokenEntry) }),
    tokenRevoke: async (which) => {
      const { id, name, role } = await tokens.revoke(which.id);
      return { id, name, role };
    },
    audit: async ({ limit, before }) => ({
      entries: (await auditStore.last(limit, before)).map((entry) => auditDocument(entry, directory)),
    }),
  };
}

function tokenEntry({ id, name, role, createdAt, expiresAt, usedAt }: StoredToken): TokenEntry {
  return {
    id,
    name,
    role,
    createdAt: iso(createdAt),
    expiresAt: iso(expiresAt),
    usedAt: usedAt === undefined ? null : iso(usedAt),
  };
}

function auditDocument(
  { result, endedAt, time, ...entry }: AuditEntry,
  directory: AdminApi['directory'],
): AuditDocument {
  const machine = entry.target.split(' ').flatMap((word) => directory.get(word)?.membership.name ?? [])[0];
  return {
    ...entry,
    machine: machine ?? null,
    time: iso(time),
    result: result ?? null,
    endedAt: endedAt === undefined ? null : iso(endedAt),
  };
}
