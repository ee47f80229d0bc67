import { resolve } from 'node:path';
import { readConfiguration, type Context } from '@filer/program';
import { clientSettings } from '../settings.ts';

/** Where files will go when the daemon is started without a flag that says otherwise; absolute. */
export async function configuredInbox({ home, env }: Context): Promise<string> {
  const { inbox } = await readConfiguration(clientSettings, { home, env, flags: {} });
  return resolve(inbox ?? home.inbox);
}
