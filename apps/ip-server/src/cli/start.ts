import { formatHostPort } from '@filer/protocol';
import {
  RpcServer,
  createLogger,
  keepHeapSmall,
  openHome,
  readConfiguration,
  writeConfigurationTemplate,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { adminApiOf } from '../api/admin-api.ts';
import { methodsOn } from '../api/methods.ts';
import { ServerDaemon } from '../daemon/server-daemon.ts';
import { SETTINGS } from '../settings.ts';
import type { startArguments } from './arguments.ts';
import { BACKUP_ADVICE } from './messages.ts';

export async function run(args: ArgumentValues<typeof startArguments>, context: Context): Promise<void> {
  const { home, env, output, signal, version } = context;
  await openHome(home);
  const settings = await readConfiguration(SETTINGS, { home, env, flags: args });
  const log = await createLogger({
    level: output.verbose ? 'debug' : settings.logLevel,
    format: settings.logFormat,
    stream: output.stderr,
  });
  context.outliveFailures((error) => log.error('a background operation failed', { error }));
  const daemon = await ServerDaemon.open({ home, settings, environment: env, log, version });
  keepHeapSmall();
  try {
    await writeConfigurationTemplate(SETTINGS, home);
    if (daemon.isNew) output.words(BACKUP_ADVICE);
    const control = await RpcServer.open(home, {
      methods: methodsOn(adminApiOf(daemon)),
      onFault: (error) => log.error('a command failed for a fault of this program', { why: error }),
    });
    try {
      const listen = formatHostPort(await daemon.listen(signal));
      const { id } = daemon.identity;
      output.line(
        `ip-server ready on ${listen}  id ${id.slice(0, 12)}…  next: ip-server invite | filer-client join -`,
      );
      output.json({ type: 'ready', id, listen, http: null });
      log.info('listening', { listen, id, version });
      await aborted(signal);
      log.info('stopping');
      await daemon.stopListening();
    } finally {
      await control.close();
    }
  } finally {
    await daemon.close();
  }
  log.info('stopped');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
