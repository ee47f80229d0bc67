import { formatBytes, printable } from '@filer/program';
import type { ClientEvent, ClientEventData } from '../../api/contract/events.ts';
import type { OfferTold } from '../../api/contract/peers.ts';
import { SHOWN_SERVER_NAME } from '../../network/server-name.ts';
import { contentsOf } from '../files/inbox-answer.ts';

/** Of a text: where these words go to a log, another machine fills it. */
const MAX_SHOWN_CHARS = 1_024;

/**
 * One line that tells a person what has happened. What others wrote is escaped.
 *
 * @returns undefined for what only says that there is something to read
 */
export function wordsFor({ type, data }: ClientEvent, calledAs = 'filer-client'): string | undefined {
  switch (type) {
    case 'message': {
      const audience = data.to.startsWith('@') ? ` to ${data.to}` : '';
      const from = data.fromServer ? SHOWN_SERVER_NAME : data.from;
      const rest =
        data.text.length > MAX_SHOWN_CHARS ? ` … (\`${calledAs} messages ${data.id}\` shows all)` : '';
      return `message from ${from}${audience}: ${printable(data.text.slice(0, MAX_SHOWN_CHARS))}${rest}`;
    }
    case 'received': {
      const note = data.note === '' ? '' : ` (${printable(data.note)})`;
      return `received ${printable(data.name)} (${formatBytes(data.size)}) from ${data.from}${note}: ${printable(data.path)}`;
    }
    case 'offer':
      return offerWords(data, calledAs);
    case 'presence':
      return `${data.name} is ${data.state === 'online' ? 'online' : `offline (${data.state})`}`;
    case 'member': {
      const groups = data.groups.map((group) => ` @${group}`).join('');
      return data.name === data.was
        ? `this machine is in${groups === '' ? ' no group' : groups} now`
        : `this machine is now called ${data.name}${groups} (was ${data.was})`;
    }
    case 'server':
      return data.connected
        ? 'connected to the ip-server'
        : `the ip-server is away${data.reason === '' ? '' : `: ${printable(data.reason)}`}`;
    case 'connection': {
      const way = data.direction === 'in' ? 'from' : 'to';
      return `connection ${way} ${data.name} ${data.open ? 'opened' : 'closed'} (${data.remaining} ${data.direction} now)`;
    }
    case 'stage':
      return stageWords(data);
    case 'directory':
    case 'transfer':
    case 'spool':
    case 'watch':
    case 'schedule':
    case 'share':
    case 'reset':
      return undefined;
  }
}

const STAGE_WORDS = {
  staged: 'is staged, and has no name before its release',
  released: 'was released',
  'rolled-back': 'was rolled back',
  closed: 'cannot be rolled back any more',
  dropped: 'was not released in time, and was dropped',
} as const;

function stageWords({ job, from, files, state }: ClientEventData['stage']): string {
  return `job ${job} of ${from} (${files === 1 ? '1 file' : `${files} files`}) ${STAGE_WORDS[state]}`;
}

function offerWords({ id, from, names, files, size, note, state }: OfferTold, calledAs: string): string {
  const what = contentsOf(names, files, size);
  switch (state) {
    case 'waiting': {
      const words = note === '' ? '' : ` "${printable(note)}"`;
      const short = id.slice(0, 8);
      return `${from} offers ${what}${words}: \`${calledAs} inbox accept ${short}\`, or \`${calledAs} inbox decline ${short}\``;
    }
    case 'lost':
      return `${from} went away while its offer waited: ${what}`;
    case 'withdrawn':
      return `${from} withdrew its offer: ${what}`;
    case 'accepted':
    case 'declined':
      return `the offer of ${from} was ${state}: ${what}`;
  }
}
