import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, makeFolders, systemCode, writeFailure } from '@filer/protocol';
import type { Context } from '../command.ts';
import { connectDaemon } from '../rpc/socket.ts';
import { withoutSystemd } from './by-hand.ts';
import { homeVariables, unitFile } from './place.ts';
import { ServiceManager } from './service-manager.ts';
import { isOfSameHome, isOwnUnit, unitText, type Scope } from './unit.ts';

type ServiceContext = Pick<Context, 'program' | 'version' | 'env' | 'home' | 'bin' | 'signal'>;

/** How long a service may take until it answers. */
const READY_MS = 30_000;
const LOOK_MS = 100;

export interface ServiceState {
  readonly installed: boolean;
  readonly scope: Scope;
  /** The file of the unit. */
  readonly unit: string;
  /** Whether it starts with the machine, or with the first log-in of its user. */
  readonly enabled: boolean;
  /** Whether it runs now. */
  readonly active: boolean;
}

export interface InstalledService extends ServiceState {
  /** Whether the unit was written now; false for one that was there as it should be. */
  readonly changed: boolean;
  /** Whether it also runs while its user is not logged in; null for a service of the machine. */
  readonly linger: boolean | null;
}

/**
 * Writes the unit, has it started with the machine, and starts it. Once more it updates what is there.
 *
 * @throws FilerError `unsupported` without systemd, with what to type instead; `refused` for a unit of another home or maker;
 *   `already-running` where the home is in use; `internal` when the service does not run, `home-not-writable`
 */
export async function installService(context: ServiceContext, scope: Scope): Promise<InstalledService> {
  const { program, version, bin, signal } = context;
  const manager = await reach(context, scope);
  const unit = unitFile(context, scope);
  const text = unitText({
    program,
    version,
    scope,
    command: [process.execPath, bin],
    environment: homeVariables(context),
    user: scope === 'system' ? userInfo().username : '',
  });
  const before = await readUnit(unit);
  requireOwn(context, unit, before);
  if (before !== undefined && !isOfSameHome(before, text))
    throw new FilerError(
      'refused',
      `${unit} runs ${program} in another home: run \`${program} service remove\` with the variables of that home first`,
    );
  const wasActive = (await manager.call('is-active', program)).ok;
  if (!wasActive && (await isRunning(context)))
    throw new FilerError(
      'already-running',
      `${program} already runs in this home, and not as the service: \`${program} stop\` ends it, then install the service again`,
    );
  const changed = before !== text;
  if (changed) {
    await writeUnit(unit, text);
    await must(context, manager, 'daemon-reload');
  }
  await must(context, manager, 'enable', program);
  await must(context, manager, changed && wasActive ? 'restart' : 'start', program);
  for (
    const until = Date.now() + READY_MS;
    !(await isRunning(context));
    await wait(LOOK_MS, undefined, { signal })
  ) {
    if (Date.now() > until || !(await manager.call('is-active', program)).ok)
      throw notRunning(context, scope);
  }
  const linger = scope === 'user' ? await manager.linger() : null;
  return { installed: true, scope, unit, enabled: true, active: true, changed, linger };
}

/** Stops it and takes it away. @returns undefined where there is none @throws FilerError as `installService` */
export async function removeService(
  context: ServiceContext,
  scope: Scope,
): Promise<ServiceState | undefined> {
  const { program } = context;
  const unit = unitFile(context, scope);
  const text = await readUnit(unit);
  if (text === undefined) return undefined;
  requireOwn(context, unit, text);
  const manager = await reach(context, scope);
  await must(context, manager, 'disable', '--now', program);
  try {
    await rm(unit);
  } catch (error) {
    throw writeFailure(`cannot remove ${unit}`, unit, error);
  }
  await must(context, manager, 'daemon-reload');
  return { installed: false, scope, unit, enabled: false, active: false };
}

export async function serviceState(context: ServiceContext, scope: Scope): Promise<ServiceState> {
  const { program, env } = context;
  const unit = unitFile(context, scope);
  const installed = (await readUnit(unit)) !== undefined;
  const manager = await ServiceManager.reach(scope, env);
  if (!installed || typeof manager === 'string')
    return { installed, scope, unit, enabled: false, active: false };
  const [enabled, active] = [
    await manager.call('is-enabled', program),
    await manager.call('is-active', program),
  ];
  return { installed, scope, unit, enabled: enabled.ok, active: active.ok };
}

async function reach(context: ServiceContext, scope: Scope): Promise<ServiceManager> {
  const manager = await ServiceManager.reach(scope, context.env);
  if (typeof manager === 'string') throw withoutSystemd(context.program, manager);
  return manager;
}

async function must(
  context: ServiceContext,
  manager: ServiceManager,
  ...args: readonly string[]
): Promise<void> {
  const { ok, problem } = await manager.call(...args);
  if (ok) return;
  throw new FilerError('internal', `systemctl ${args.join(' ')} failed for ${context.program}: ${problem}`);
}

async function isRunning({ home, signal }: ServiceContext): Promise<boolean> {
  await using daemon = await connectDaemon(home, { signal });
  return daemon !== undefined;
}

function notRunning({ program }: ServiceContext, scope: Scope): FilerError {
  const user = scope === 'user' ? ' --user' : '';
  return new FilerError(
    'internal',
    `the service ${program} is installed and does not run: \`journalctl${user} -u ${program} -n 20\` says why`,
  );
}

function requireOwn({ program }: ServiceContext, unit: string, text: string | undefined): void {
  if (text === undefined || isOwnUnit(text)) return;
  throw new FilerError(
    'refused',
    `${unit} was not written by \`${program} service install\`, and stays as it is: move it away to have the service managed`,
  );
}

async function readUnit(unit: string): Promise<string | undefined> {
  try {
    return await readFile(unit, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function writeUnit(unit: string, text: string): Promise<void> {
  const draft = `${unit}.${randomBytes(6).toString('hex')}`;
  try {
    makeFolders(dirname(unit), 0o755);
    await writeFile(draft, text, { mode: 0o644 });
    await rename(draft, unit);
  } catch (error) {
    await rm(draft, { force: true });
    throw writeFailure(`cannot write ${unit}`, unit, error);
  }
}
