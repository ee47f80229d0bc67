import { FilerError, messageOf } from '@filer/protocol';
import * as v from 'valibot';

/** What one look at this machine, a server or a peer has found. */
export const checkDocument = v.object({
  /** What was looked at, a word such as `clock`. */
  check: v.string(),
  /** `warning`: it works, and somebody should look at it. `skipped`: it could not be looked at, and the summary says why. */
  state: v.picklist(['ok', 'warning', 'failed', 'skipped']),
  /** What was found, a line for people. It may quote other machines: escape it. */
  summary: v.string(),
  /** What to do about it, with what to type. */
  remedy: v.nullable(v.string()),
  /** The same for programs. */
  facts: v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.null()])),
});
export type Check = v.InferOutput<typeof checkDocument>;
export type Facts = Check['facts'];

export function ok(check: string, summary: string, facts: Facts = {}): Check {
  return { check, state: 'ok', summary, remedy: null, facts };
}

export function warning(check: string, summary: string, remedy: string, facts: Facts = {}): Check {
  return { check, state: 'warning', summary, remedy, facts };
}

export function failed(check: string, summary: string, remedy: string, facts: Facts = {}): Check {
  return { check, state: 'failed', summary, remedy, facts };
}

export function skipped(check: string, summary: string, facts: Facts = {}): Check {
  return { check, state: 'skipped', summary, remedy: null, facts };
}

/** Of something that was to work. @param remedy where the error does not say what to do */
export function failedBy(check: string, error: unknown, remedy: string): Check {
  if (!(error instanceof FilerError)) throw error;
  return failed(check, messageOf(error), remedy, { code: error.code });
}

/** The name of the check of the settings. */
export const CONFIGURATION = 'configuration';

/** A setting that is wrong: the program does not start with it. */
export function wrongSetting(error: FilerError): Check {
  return failedBy(CONFIGURATION, error, 'correct it, or remove the line');
}

/** Exit codes of `doctor`, by the contract of the commands. */
const FAILED_EXIT_CODE = 1;
const NOT_JOINED_EXIT_CODE = 3;

/** 1 when something failed, 3 on a machine that has not joined; a warning is no failure. */
export function doctorExitCode(checks: readonly Check[]): number {
  if (isWell(checks)) return 0;
  return checks.some(({ facts }) => facts['code'] === 'not-joined') ? NOT_JOINED_EXIT_CODE : FAILED_EXIT_CODE;
}

/** Whether all is right: what was not looked at, or works, is. */
function isWell(checks: readonly Check[]): boolean {
  return checks.every(({ state }) => state !== 'failed');
}
