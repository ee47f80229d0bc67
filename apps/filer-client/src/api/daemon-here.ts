import { createLogger, DaemonClient, readConfiguration, transportHere, type Context } from '@filer/program';
import { EphemeralDaemon, type EphemeralOptions } from '../daemon/ephemeral-daemon.ts';
import { clientSettings } from '../settings.ts';

/*
 * An ephemeral daemon for a command. Loading it takes longer than most commands do: those that a running daemon serves do
 * without.
 */

/** @throws FilerError `not-joined`, of the home */
export async function openEphemeral(
  context: Context,
  { growing, afterLeaving }: Pick<EphemeralOptions, 'growing' | 'afterLeaving'> = {},
): Promise<EphemeralDaemon> {
  const { home, env, version, output } = context;
  const log = await createLogger({ level: output.verbose ? 'debug' : 'error', stream: output.stderr });
  const settings: EphemeralOptions['settings'] = (onWrong) =>
    readConfiguration(clientSettings, { home, env, flags: {}, onWrong });
  const options = { home, software: version, environment: env, log, settings };
  return await EphemeralDaemon.open({ ...options, growing, afterLeaving });
}

/** A client of an ephemeral daemon, which ends with it. */
export function clientOf(daemon: EphemeralDaemon): DaemonClient {
  return new DaemonClient(transportHere(daemon.methods, () => daemon[Symbol.asyncDispose]()));
}
