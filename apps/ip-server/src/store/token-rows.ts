import { integerIn, optionalIntegerIn, ROLES, textIn, wordIn, type Row } from '@filer/program';
import type { StoredToken } from './token-store.ts';

export function optionalToken(row: Row | undefined): StoredToken | undefined {
  return row === undefined ? undefined : tokenOf(row);
}

export function tokenOf(row: Row): StoredToken {
  return {
    id: textIn(row, 'id'),
    name: textIn(row, 'name'),
    role: wordIn(row, 'role', ROLES),
    digest: textIn(row, 'digest'),
    createdAt: integerIn(row, 'created_at'),
    expiresAt: integerIn(row, 'expires_at'),
    usedAt: optionalIntegerIn(row, 'used_at'),
  };
}
