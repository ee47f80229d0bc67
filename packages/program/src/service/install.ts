import type { Context } from '../command.ts';
import { serviceArguments, type ServiceArguments } from './arguments.ts';
import { lostVariables, scopeOf } from './place.ts';
import { NoSystemdError, wordsByHand } from './by-hand.ts';
import type { Scope } from './unit.ts';
import { installService, type InstalledService } from './service.ts';

export const args = serviceArguments;

export const examples = ['service install', 'service install --user'];

export async function run(args: ServiceArguments, context: Context): Promise<void> {
  const installed = await installedOrByHand(context, scopeOf(args));
  context.output.json(installed);
  sayInstalled(installed, context);
}

/** Without systemd it says what to type instead, before it fails. @throws FilerError as `installService` */
export async function installedOrByHand(context: Context, scope: Scope): Promise<InstalledService> {
  try {
    return await installService(context, scope);
  } catch (error) {
    if (error instanceof NoSystemdError) context.output.words(wordsByHand(context));
    throw error;
  }
}

/** Says what was done, and what else a person should know. */
export function sayInstalled({ unit, changed, linger, scope }: InstalledService, context: Context): void {
  const { output, program, env } = context;
  output.line(
    `${program} runs as a service and starts with this machine${changed ? '' : ', as before'}  (${unit})`,
  );
  if (linger === false)
    output.warn(
      `it ends when this user logs out: \`sudo loginctl enable-linger ${env['USER'] ?? '$USER'}\` keeps it running, and starts it before the first log-in`,
    );
  const lost = lostVariables(context);
  if (lost.length > 0)
    output.warn(
      `the service does not have ${lost.join(', ')} of this shell: set it in ${context.home.configFile}`,
    );
  const user = scope === 'user' ? ' --user' : '';
  output.hint(`Its log:  journalctl${user} -u ${program} -f`);
}
