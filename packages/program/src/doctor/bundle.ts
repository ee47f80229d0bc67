import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { arch, cpus, freemem, hostname, platform, release, totalmem, uptime, userInfo } from 'node:os';
import { dirname } from 'node:path';
import { FilerError, systemCode, writeFailure } from '@filer/protocol';
import type { Context } from '../command.ts';
import { counted } from '../counted.ts';
import { variable } from '../environment.ts';
import { CONFIGURATION, type Check } from './check.ts';
import { Redactor, type Named } from './redactor.ts';

export interface BundleParts {
  readonly checks: readonly Check[];
  /** What names somebody: each is replaced. */
  readonly named: readonly Named[];
  /** What else is known, without secrets. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** What stands in every bundle, for those who look into one. */
const ABOUT = [
  'checks: what `doctor` found, as `doctor --json` prints it',
  'program, system: versions, memory, processors, how long the machine runs',
  'more: what the command knows beside, if anything',
  'not in it: keys, invites, tokens, passwords, the content of files, messages and reports, and the configuration',
  'replaced: names of machines, groups, hosts and users, ids, addresses but loopback, and paths',
];

/** Asked before the checks, which take their time. @throws FilerError `refused` */
export function requireNewFile(file: string): void {
  if (existsSync(file)) throw isThere(file);
}

function isThere(file: string): FilerError {
  return new FilerError('refused', `${file} is there already: name a new file for --bundle`);
}

/**
 * Writes what is needed to understand a fault into a file that can be shown to others.
 *
 * @param file is made; one that is there stays
 * @throws FilerError `refused` where the file is there, `path-missing`, `no-space`…
 */
export async function writeBundle(file: string, parts: BundleParts, context: Context): Promise<void> {
  const { program, version, output } = context;
  const redactor = new Redactor([
    ...parts.named,
    { as: 'host', texts: [hostname()] },
    { as: 'home', texts: [dirname(context.home.databaseFile), ...context.home.own.homes] },
    { as: 'folder', texts: userTexts(context) },
    { as: 'path', texts: parts.checks.flatMap(({ facts }) => Object.values(facts).filter(isPath)) },
    { as: 'user', texts: userNames() },
  ]);
  const bundle = {
    about: ABOUT,
    made: new Date().toISOString(),
    program: { name: program, version, node: process.version },
    system: {
      platform: platform(),
      release: release(),
      arch: arch(),
      processors: cpus().length,
      memoryBytes: totalmem(),
      freeMemoryBytes: freemem(),
      uptimeMs: Math.round(uptime() * 1_000),
    },
    checks: parts.checks.map((check) => redacted(check, redactor)),
    more: redactor.value(parts.more ?? {}),
  };
  try {
    await writeFile(file, `${JSON.stringify(bundle, undefined, 2)}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw isThere(file);
    throw writeFailure(`cannot write ${file}`, file, error);
  }
  const replaced = [...redactor.counts].map(([as, count]) => counted(count, as)).join(', ');
  output.words(
    `Wrote ${file}: the checks, versions, and what the system is; replaced in it: ${replaced === '' ? 'nothing' : replaced}. No keys, invites, tokens or contents. Read it before you show it.`,
  );
}

/** The name and the state of a check are ours, whatever machines are called. */
function redacted(check: Check, redactor: Redactor): unknown {
  // What is wrong in a configuration is quoted: it may be a password at the wrong place.
  const summary =
    check.check === CONFIGURATION ? check.summary.replace(/"(?:[^"\\]|\\.)*"/g, '"[value]"') : check.summary;
  const [remedy, facts] = [redactor.value(check.remedy), redactor.value(check.facts)];
  return { check: check.check, state: check.state, summary: redactor.text(summary), remedy, facts };
}

function isPath(fact: unknown): fact is string {
  return typeof fact === 'string' && fact.length > 1 && fact.startsWith('/');
}

function userTexts({ env }: Context): string[] {
  const folder = variable(env, 'HOME');
  return folder === undefined || folder === '/' ? [] : [folder];
}

function userNames(): string[] {
  try {
    const { username } = userInfo();
    // It names no one, and is a part of many words.
    return username === 'root' ? [] : [username];
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return []; // a user without an entry in the system's list
  }
}
