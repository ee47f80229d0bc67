import { optional } from '../arguments.ts';
import { textKind } from '../kinds.ts';
import type { Context } from '../command.ts';
import { requireNewFile, writeBundle, type BundleParts } from './bundle.ts';
import { doctorExitCode, type Check } from './check.ts';
import { showCheck, verdictWords } from './show-checks.ts';

/** The file of `doctor --bundle`. */
export const doctorBundle = optional(
  textKind('a file', { completes: 'file' }),
  'write the results to a new file for a bug report, without keys, invites, tokens, contents and names',
);

export interface Findings extends BundleParts {
  /** Of the program that runs. @default that of the command */
  readonly version?: string | undefined;
}

/**
 * What the command `doctor` of each program does: shows what is found as it is found, and how it all is.
 *
 * @param look passes each check to `show` when it is made
 * @returns the exit code
 * @throws FilerError `refused` for a bundle that is there already, and what `look` throws
 */
export async function runDoctor(
  bundle: string | undefined,
  context: Context,
  look: (show: (check: Check) => void) => Promise<Findings>,
): Promise<number> {
  const { output } = context;
  if (bundle !== undefined) requireNewFile(bundle);
  const { version = context.version, ...found } = await look((check) => showCheck(check, context));
  const { checks } = found;
  const exitCode = doctorExitCode(checks);
  if (bundle !== undefined) await writeBundle(bundle, found, context);
  output.json({ ok: exitCode === 0, exitCode, version, checks });
  output.line(verdictWords(checks));
  return exitCode;
}
