import { readConfiguration, type Context } from '@filer/program';
import { openAsker, type Asker, type AskOptions } from '../api/ask.ts';
import { SETTINGS } from '../settings.ts';

/** Asks the server, running or stopped, for as long as `work` takes. */
export async function asking<T>(
  context: Context,
  options: Omit<AskOptions, 'settings'> & { readonly networkKey?: string | undefined },
  work: (asker: Asker) => Promise<T>,
): Promise<T> {
  const { home, env } = context;
  const { networkKey } = options;
  const settings = await readConfiguration(SETTINGS, { home, env, flags: { networkKey } });
  const asker = await openAsker(context, { ...options, settings });
  try {
    return await work(asker);
  } finally {
    await asker.close();
  }
}
