import { dirname, resolve } from 'node:path';
import { aborted, FilerError, formatHostPort } from '@filer/protocol';
import {
  createLogger,
  flag,
  keepHeapSmall,
  openHome,
  readConfiguration,
  settingArguments,
  writeConfigurationTemplate,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { adminApiOf } from '../api/admin-api.ts';
import { methodsOn } from '../api/methods.ts';
import { openServer } from '../daemon/compose.ts';
import { SETTINGS } from '../settings.ts';
import { BACKUP_ADVICE } from './messages.ts';
import { admitOwnClient } from './own-client.ts';

export const args = {
  ...settingArguments(SETTINGS),
  join: flag("have this machine's own filer-client join as well (a new network asks on a terminal)"),
  noJoin: flag('do not ask about the filer-client of this machine'),
};

export const examples = ['start', 'start --advertise files.example:10901'];

export const outlivesOutput = true;

export async function run(
  { join, noJoin, ...flags }: ArgumentValues<typeof args>,
  context: Context,
): Promise<void> {
  if (join && noJoin) throw new FilerError('usage', '--join and --no-join exclude each other');
  const { bin, home, env, output, signal, version } = context;
  await openHome(home);
  const settings = await readConfiguration(SETTINGS, { home, env, flags });
  const log = await createLogger({
    level: output.verbose ? 'debug' : settings.logLevel,
    format: settings.logFormat,
    stream: output.stderr,
  });
  context.outliveFailures((error) => log.error('a background operation failed', { error }));
  let isNew = false;
  const stopped = Promise.withResolvers<void>();
  const server = await openServer({
    home,
    settings,
    environment: env,
    log,
    version,
    methodsOf: (parts) => methodsOn(adminApiOf(parts, stopped.resolve)),
    pages: resolve(dirname(bin), '../../../packages/web/dist/dashboard'),
    onFounded: () => {
      isNew = true;
      output.words(BACKUP_ADVICE);
    },
    signal,
  });
  try {
    keepHeapSmall();
    await writeConfigurationTemplate(SETTINGS, home);
    const listen = formatHostPort(server.listened);
    const { id } = server.identity;
    const { url: http = null, fingerprint } = server.http;
    output.line(
      `ip-server ready on ${listen}  id ${id.slice(0, 12)}…${http === null ? '' : `  dashboard ${http}`}`,
    );
    output.json({ type: 'ready', id, listen, http, ...(fingerprint === undefined ? {} : { fingerprint }) });
    if (fingerprint !== undefined)
      output.words(`The certificate of the dashboard is self-signed; its SHA-256 is ${fingerprint}`);
    log.info('listening', { listen, id, version, http });
    const ending = Promise.race([aborted(signal), stopped.promise]);
    const admitted = admitOwnClient({ join, noJoin, isNew }, context).then(() => true);
    if (await Promise.race([ending.then(() => false), admitted]))
      output.line(
        server.group?.isTrusted === false
          ? `next: \`ip-server servers add ${id.slice(0, 12)}\` where the network key is`
          : 'next: `ip-server invite | filer join - --service`',
      );
    await ending;
    log.info('stopping');
  } finally {
    await server.close();
  }
  log.info('stopped');
}
