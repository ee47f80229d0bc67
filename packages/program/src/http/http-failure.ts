import { FilerError, type ErrorCode } from '@filer/protocol';
import { describeFailure } from '../failure.ts';

/** The HTTP status of an error; `422` for what is not listed: the request was understood and has failed. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  usage: 400,
  'message-malformed': 400,
  'invite-malformed': 400,
  refused: 403,
  removed: 403,
  'not-a-member': 403,
  'no-such-report': 404,
  'no-such-job': 404,
  'no-such-offer': 404,
  'no-such-message': 404,
  'no-such-peer': 404,
  'path-missing': 404,
  'invite-wrong': 404,
  unsupported: 404,
  'name-taken': 409,
  'network-key-missing': 409,
  'already-running': 409,
  'too-large': 413,
  'rate-limited': 429,
  'too-many-connections': 429,
  internal: 500,
  'store-damaged': 500,
  'needs-daemon': 503,
  terminated: 503,
  'timed-out': 504,
  'no-space': 507,
  'spool-full': 507,
};

/** What an answer says of a failure. */
export function failureBody(error: unknown): {
  readonly error: { readonly code: ErrorCode; readonly message: string };
} {
  const { code, message } = describeFailure(error);
  return { error: { code, message } };
}

/** @param status @default that of its code */
export function failureAnswer(error: unknown, status?: number): Response {
  const body = failureBody(error);
  const known = status ?? STATUS[body.error.code] ?? 422;
  return Response.json(body, { status: known, headers: known === 429 ? { 'retry-after': '1' } : {} });
}

/** An answer of the guards, which look at a request before anything is done with it. */
export function refusal(status: number, code: ErrorCode, message: string): Response {
  return failureAnswer(new FilerError(code, message), status);
}
