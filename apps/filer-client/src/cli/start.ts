import {
  createLogger,
  formatBytes,
  openHome,
  printable,
  readConfiguration,
  type Context,
} from '@filer/program';
import { Daemon } from '../daemon/daemon.ts';
import { clientSettings } from '../settings.ts';
import type { StartArguments } from './commands.ts';

export async function run(flags: StartArguments, context: Context): Promise<void> {
  const { home, env, output, version, signal } = context;
  const settings = await readConfiguration(clientSettings, { home, env, flags });
  await openHome(home);
  const log = await createLogger({
    level: output.verbose ? 'debug' : settings.logLevel,
    format: settings.logFormat,
    stream: output.stderr,
  });
  const daemon = await Daemon.open({
    home,
    settings,
    software: version,
    log,
    onText: ({ text, to }, sender) => {
      output.json({ type: 'message', from: sender, to, text });
      const audience = to.startsWith('@') ? ` to ${to}` : '';
      output.words(`message from ${sender}${audience}: ${printable(text)}`);
    },
    onReceived: (file) => {
      output.json({ type: 'received', ...file });
      const note = file.note === '' ? '' : ` (${printable(file.note)})`;
      output.words(
        `received ${printable(file.name)} (${formatBytes(file.size)}) from ${file.from}${note}: ${printable(file.path)}`,
      );
    },
  });
  try {
    output.json({
      type: 'ready',
      id: daemon.id,
      name: daemon.name,
      listen: daemon.listen,
      inbox: daemon.inbox,
      http: null,
    });
    output.line(
      `filer-client ready: ${daemon.name} listens on ${daemon.listen}, files come to ${daemon.inbox}`,
    );
    output.hint(
      'In another terminal:  filer-client peers   filer-client send FILE --to NAME   (Ctrl-C ends this one)',
    );
    await Promise.race([daemon.ended, aborted(signal)]);
  } finally {
    await daemon.close();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
