import { aborted } from '@filer/protocol';
import {
  createLogger,
  keepHeapSmall,
  openHome,
  readConfiguration,
  RepeatedLines,
  settingArguments,
  type ArgumentValues,
  type Context,
  type Output,
} from '@filer/program';
import { openDaemon } from '../../daemon/compose.ts';
import { clientSettings } from '../../settings.ts';
import type { ClientEvent } from '../../api/contract/events.ts';
import { wordsFor } from './event-messages.ts';
import { builtPage } from '../built-page.ts';

export const args = settingArguments(clientSettings);

export const examples = ['start', 'start --listen 0.0.0.0:10902 --inbox ~/Incoming'];

export const outlivesOutput = true;

export async function run(flags: ArgumentValues<typeof args>, context: Context): Promise<void> {
  const { home, env, output, version, signal, calledAs } = context;
  const settings = await readConfiguration(clientSettings, { home, env, flags });
  await openHome(home);
  const log = await createLogger({
    level: output.verbose ? 'debug' : settings.logLevel,
    format: settings.logFormat,
    stream: output.stderr,
  });
  context.outliveFailures((error) => log.error('a background operation failed', { error }));
  const daemon = await openDaemon({
    home,
    settings,
    software: version,
    environment: env,
    log,
    pages: builtPage(),
  });
  keepHeapSmall();
  daemon.events.listen(showEvents(output));
  try {
    output.json({
      type: 'ready',
      id: daemon.id,
      name: daemon.name,
      listen: daemon.listen,
      inbox: daemon.inbox,
      http: (await daemon.pageUrl) ?? null,
    });
    output.line(
      `filer-client ready: ${daemon.name} listens on ${daemon.listen}, files come to ${output.path(daemon.inbox)}`,
    );
    output.hint(
      `In another terminal:  ${calledAs} overview   ${calledAs} send FILE NAME:   (Ctrl-C ends this one)`,
    );
    const why = await Promise.race([daemon.ended, aborted(signal)]);
    if (why !== undefined) throw why;
  } finally {
    await daemon.close();
  }
}

/** Events that `start` shows, and what shows all of them where there were too many. */
const SHOWN: Readonly<Partial<Record<ClientEvent['type'], string>>> = {
  message: 'messages',
  received: 'inbox',
  offer: 'inbox',
  member: 'status',
};

/**
 * Shows what comes: data on standard output is whole, words on standard error are a log, which other machines do not fill.
 *
 * @returns what takes each event
 */
export function showEvents(output: Pick<Output, 'json' | 'words'>): (event: ClientEvent) => void {
  const lines = new RepeatedLines((type, { notWritten, machines }) =>
    output.words(
      `${String(notWritten)} more lines of this kind (${type}) of ${String(machines)} machines: \`filer-client ${type}\` shows all`,
    ),
  );
  return (event) => {
    const command = SHOWN[event.type];
    const words = wordsFor(event);
    if (command === undefined || words === undefined) return;
    const { type, data } = event;
    output.json({ type, ...data });
    const from = data !== null && 'fromId' in data ? data.fromId : undefined;
    if (lines.admit(command, { from }, words.length)) output.words(words);
  };
}
