import { RepeatedLines, type Output } from '@filer/program';
import type { ClientEvent } from '../../api/contract/events.ts';
import { wordsFor } from './event-messages.ts';

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
