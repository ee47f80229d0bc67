import { readConfiguration, type Context } from '@filer/program';
import { openServer, type OpenOptions, type ServerClient } from '../api/server-client.ts';
import { SETTINGS } from '../settings.ts';

/** Asks the server, running or stopped, for as long as `work` takes. */
export async function asking<T>(
  context: Context,
  options: Omit<OpenOptions, 'settings'> & { readonly networkKey?: string | undefined },
  work: (server: ServerClient) => Promise<T>,
): Promise<T> {
  const { home, env } = context;
  const { networkKey } = options;
  const settings = await readConfiguration(SETTINGS, { home, env, flags: { networkKey } });
  await using server = await openServer(context, { ...options, settings });
  return await work(server);
}
