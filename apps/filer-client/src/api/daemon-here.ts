import { createLogger, DaemonClient, readConfiguration, transportHere, type Context } from '@filer/program';
import type { Growing } from '@filer/transfer';
import { EphemeralDaemon } from '../daemon/ephemeral-daemon.ts';
import { clientSettings } from '../settings.ts';

/*
 * An ephemeral daemon for a command. Loading it takes longer than most commands do: those that a running daemon serves do
 * without.
 */

/** @throws FilerError `not-joined`, of the home */
export async function openEphemeral(context: Context, growing?: Growing): Promise<EphemeralDaemon> {
  const { home, env, version, output } = context;
  const log = await createLogger({ level: output.verbose ? 'debug' : 'error', stream: output.stderr });
  const settings = () => readConfiguration(clientSettings, { home, env, flags: {} });
  return await EphemeralDaemon.open({ home, software: version, environment: env, log, settings, growing });
}

/** A client of an ephemeral daemon, which ends with it. */
export function clientOf(daemon: EphemeralDaemon): DaemonClient {
  return new DaemonClient(transportHere(daemon.methods, () => daemon[Symbol.asyncDispose]()));
}
