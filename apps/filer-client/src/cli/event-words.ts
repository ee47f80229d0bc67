import { formatBytes, printable } from '@filer/program';
import type { PeerEvent } from '../api/contract/peers.ts';
import { SHOWN_SERVER_NAME } from '../network/server-name.ts';
import { contentsOf } from './inbox-answer.ts';

/** Of a text: where these words go to a log, another machine fills it. */
const MAX_SHOWN_CHARS = 1_024;

/** One line that tells a person what has happened. What others wrote is escaped. */
export function wordsFor(event: PeerEvent): string {
  switch (event.type) {
    case 'message': {
      const audience = event.to.startsWith('@') ? ` to ${event.to}` : '';
      const from = event.fromServer ? SHOWN_SERVER_NAME : event.from;
      const rest =
        event.text.length > MAX_SHOWN_CHARS ? ` … (filer-client messages ${event.id} shows all)` : '';
      return `message from ${from}${audience}: ${printable(event.text.slice(0, MAX_SHOWN_CHARS))}${rest}`;
    }
    case 'received': {
      const note = event.note === '' ? '' : ` (${printable(event.note)})`;
      return `received ${printable(event.name)} (${formatBytes(event.size)}) from ${event.from}${note}: ${printable(event.path)}`;
    }
    case 'offer':
      return offerWords(event);
    case 'presence':
      return `${event.name} is ${event.state === 'online' ? 'online' : `offline (${event.state})`}`;
    case 'member': {
      const groups = event.groups.map((group) => ` @${group}`).join('');
      return event.name === event.was
        ? `this machine is in${groups === '' ? ' no group' : groups} now`
        : `this machine is now called ${event.name}${groups} (was ${event.was})`;
    }
    case 'server':
      return event.connected
        ? 'connected to the ip-server'
        : `the ip-server is away${event.reason === '' ? '' : `: ${printable(event.reason)}`}`;
    case 'connection': {
      const way = event.direction === 'in' ? 'from' : 'to';
      return `connection ${way} ${event.name} ${event.open ? 'opened' : 'closed'} (${event.remaining} ${event.direction} now)`;
    }
  }
}

function offerWords({
  id,
  from,
  names,
  files,
  size,
  note,
  state,
}: Extract<PeerEvent, { type: 'offer' }>): string {
  const what = contentsOf(names, files, size);
  switch (state) {
    case 'waiting': {
      const words = note === '' ? '' : ` "${printable(note)}"`;
      const short = id.slice(0, 8);
      return `${from} offers ${what}${words}: filer-client inbox accept ${short}, or inbox decline ${short}`;
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
