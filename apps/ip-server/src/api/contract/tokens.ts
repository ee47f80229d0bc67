import { arrayOf, count, method, NO_PARAMS, ROLES, text } from '@filer/program';
import * as v from 'valibot';
import { time } from './time.ts';

/** The longest time that a token is valid: a year. */
export const MAX_TOKEN_MS = 366 * 24 * 3_600_000;

/** Who may come in over HTTP; the token itself is not known. */
const tokenEntry = v.object({
  id: v.string(),
  name: v.string(),
  role: v.picklist(ROLES),
  createdAt: time,
  expiresAt: time,
  /** To within a minute; null while it was not used. */
  usedAt: v.nullable(time),
});
export type TokenEntry = v.InferOutput<typeof tokenEntry>;

const auditEntry = v.object({
  number: v.number(),
  time,
  /** The id of the token; `local` for a command on the server's machine. */
  by: v.string(),
  /** The token's name, as it was then. */
  name: v.string(),
  /** The method, such as `rename`. */
  action: v.string(),
  /** What of: a machine, an invite, the text of a broadcast. */
  target: v.string(),
  /** The name that the machine has now whose id is in `target`; null without one. */
  machine: v.nullable(v.string()),
  /** `ok`, or the code of the failure; null until the end, and of what a crash has cut. */
  result: v.nullable(v.string()),
  endedAt: v.nullable(time),
});
export type AuditDocument = v.InferOutput<typeof auditEntry>;

export const tokenMethods = {
  /** Makes a token; it is told here and never again. */
  tokenAdd: method('token-add', {
    params: v.object({
      name: text(64),
      role: v.picklist(ROLES),
      expiresMs: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_TOKEN_MS)),
    }),
    /** `url`: where the dashboard is; null with --http-port off */
    result: v.object({ ...tokenEntry.entries, token: v.string(), url: v.nullable(v.string()) }),
    access: 'admin',
    changes: true,
    target: ({ name, role }) => `${name} (${role})`,
  }),

  tokens: method('tokens', {
    params: NO_PARAMS,
    result: v.object({ tokens: arrayOf(tokenEntry) }),
    access: 'admin',
  }),

  /** Ends its sessions and streams at once. */
  tokenRevoke: method('token-revoke', {
    params: v.object({ id: text(64) }),
    result: v.object({ id: v.string(), name: v.string(), role: v.picklist(ROLES) }),
    access: 'admin',
    changes: true,
    target: ({ id }) => id,
  }),

  /** So many of the newest, oldest first. */
  audit: method('audit', {
    params: v.object({ limit: count, before: v.exactOptional(count) }),
    result: v.object({ entries: arrayOf(auditEntry) }),
    access: 'admin',
  }),
};
