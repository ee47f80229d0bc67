/* What a machine sends and fetches now, for who looks at the network. */
import { FilerError } from '../errors.ts';
import { isPeerId } from '../trust/keys.ts';
import { MAX_TOLD_TRANSFERS, MAX_TOLD_TRANSFERS_BYTES } from '../limits.ts';
import { message } from './declaration.ts';
import { fieldsOf, integerOf, listOf, oneOf, textOf } from './json.ts';
import { json } from './content.ts';
import { daemonToServer } from './route.ts';

/** One transfer of the machine that tells it, with one other machine. It names no files. */
export interface ToldTransfer {
  /** Of the machine that tells it: its own name for the transfer. */
  readonly job: string;
  /** Whether it sends to the other machine, or fetches from it. */
  readonly kind: 'send' | 'get';
  /** The id of the other machine. */
  readonly peer: string;
  readonly filesDone: number;
  readonly filesTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly bytesPerSecond: number;
}

/** All that run now, in the place of those that were told before. A server that does not know it drops it. */
export const transfersMessage = message({
  type: 'transfers',
  routes: [daemonToServer],
  content: json({
    shape: '[{ job, kind, peer, filesDone, filesTotal, bytesDone, bytesTotal, bytesPerSecond }]',
    maxBytes: MAX_TOLD_TRANSFERS_BYTES,
    read: (value) => ({ transfers: listOf(value, 'transfers', MAX_TOLD_TRANSFERS, parseTransfer) }),
    write: ({ transfers }: { readonly transfers: readonly ToldTransfer[] }) =>
      transfers.slice(0, MAX_TOLD_TRANSFERS),
  }),
});

function parseTransfer(value: unknown, what: string): ToldTransfer {
  const fields = fieldsOf(value, what);
  const number = (key: string): number => integerOf(fields[key], `${what}.${key}`);
  const peer = textOf(fields['peer'], `${what}.peer`, { max: 64 });
  if (!isPeerId(peer)) throw new FilerError('message-malformed', `${what}.peer is no id of a machine`);
  return {
    job: textOf(fields['job'], `${what}.job`, { max: 64 }),
    kind: oneOf(fields['kind'], ['send', 'get'], `${what}.kind`),
    peer,
    filesDone: number('filesDone'),
    filesTotal: number('filesTotal'),
    bytesDone: number('bytesDone'),
    bytesTotal: number('bytesTotal'),
    bytesPerSecond: number('bytesPerSecond'),
  };
}
