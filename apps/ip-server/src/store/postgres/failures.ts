import { FilerError, messageOf, systemCode } from '@filer/protocol';
import type { PostgresAddress } from '../../store-address.ts';

/** SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const SQLSTATE = /^[0-9A-Z]{5}$/;

/**
 * What a later try may not meet again: a failover, a restart, a lock, too many connections; 0A000 when a newer server has changed a
 * table ("cached plan must not change result type"), until the statements are prepared again.
 */
const PASSING = /^(08...|0A000|25006|40...|53300|53400|55P03|55006|57...|58000)$/;
const FULL = /^(53100|53200|54000)$/;
const DAMAGED = /^(XX001|XX002|58030|58P01)$/;
const REFUSED = /^(28...|3D000|42501)$/;

/** A failure of a connection, and not of a statement: the connection is not used again. */
export function isConnectionFailure(error: unknown): boolean {
  const state = stateOf(error);
  return state === undefined || /^(08...|0A000|25006|57P0[1-5]|25P0[23])$/.test(state);
}

/** Whether a table or a column is not as this program knows it. */
export function isOtherSchema(error: unknown): boolean {
  return /^(42P01|42703)$/.test(stateOf(error) ?? '');
}

/** Whether nothing came within the time of an answer: the network is cut, or the database stands still. */
export function isSilence(error: unknown): boolean {
  return stateOf(error) === undefined && error instanceof Error && /timeout|ETIMEDOUT/i.test(reasonOf(error));
}

/** A failure of the database as what it means to its owner; a wrong statement is handed back as it is. */
export function postgresError(address: PostgresAddress, error: unknown): unknown {
  if (error instanceof FilerError || !(error instanceof Error)) return error;
  const where = placeOf(address);
  const why = reasonOf(error);
  const state = stateOf(error);
  const fail = (code: 'timed-out' | 'no-space' | 'store-damaged' | 'configuration-invalid', words: string) =>
    new FilerError(code, words, { cause: error });
  if (state === undefined) {
    // A mistake of this program has no code of a system and is none of the texts of the driver.
    if (error instanceof TypeError || error instanceof ReferenceError) return error;
    if (/password/i.test(error.message))
      return fail(
        'configuration-invalid',
        `${where} asks for a password and none was found (${why}): set PGPASSFILE or store-password-file`,
      );
    if (/support SSL/i.test(error.message))
      return fail('configuration-invalid', `${where} has no TLS: set it up there, or add ?sslmode=disable`);
    return fail('timed-out', `${where} cannot be reached (${why}): check its address, and that it runs`);
  }
  if (PASSING.test(state))
    return fail('timed-out', `${where} does not take this now (${why}): wait until it does`);
  if (FULL.test(state)) return fail('no-space', `${where} has no room (${why}): make room on its disk`);
  if (DAMAGED.test(state))
    return fail(
      'store-damaged',
      `${where} cannot read or write its files (${why}): restore it from a backup`,
    );
  if (REFUSED.test(state))
    return fail(
      'configuration-invalid',
      `${where} refuses this server (${why}): correct user and rights there`,
    );
  return error;
}

/** Why a program may not use tables of a newer one. */
export function newerSchema(address: PostgresAddress, version: number, newest: number): FilerError {
  return new FilerError(
    'store-damaged',
    `${placeOf(address)} was made by a newer ip-server (its version is ${version}, this program knows ${newest}): update ip-server`,
  );
}

/** How people know a database: without its user. */
export function placeOf(address: PostgresAddress): string {
  return `the database ${shortPlaceOf(address)}`;
}

export function shortPlaceOf({ hosts, database }: PostgresAddress): string {
  const at = hosts.map(({ host, port }) => (host.startsWith('/') ? host : `${host}:${port}`));
  return `${database} at ${at.join(', ')}`;
}

function stateOf(error: unknown): string | undefined {
  const code = systemCode(error);
  // EPERM and the like have five letters, too.
  return code !== undefined && SQLSTATE.test(code) && error instanceof Error && 'severity' in error
    ? code
    : undefined;
}

/** An attempt at several addresses has no message of its own. */
function reasonOf(error: Error): string {
  if (error.message !== '') return messageOf(error);
  const all: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  return all.length === 0 ? (systemCode(error) ?? error.name) : messageOf(all[0]);
}
