import { FilerError } from '@filer/protocol';
import { formatBytes, renderTable, type DaemonClient } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { noServerWords } from '../network/no-server-messages.ts';

/** What a verb of the shell works with. */
export interface ShellWork {
  readonly daemon: DaemonClient;
  readonly show: (text: string) => void;
  readonly columns: number;
  /** Aborted by Ctrl-C: ends what the line started, not the shell. */
  readonly signal: AbortSignal;
}

export interface Verb {
  readonly usage: string;
  readonly describe: string;
  readonly run: (words: readonly string[], work: ShellWork) => Promise<void>;
}

/** What only the shell has, by its first word: all else is a command of the program. `help`, `exit` and `quit` are the shell's own. */
export const verbs: Readonly<Record<string, Verb>> = {
  connections: { usage: 'connections', describe: 'list connections, in and out', run: connections },
  connect: { usage: 'connect NAME', describe: 'open a lasting connection to a peer', run: connect },
  close: { usage: 'close NAME', describe: 'end the connections with a peer', run: close },
  multicast: {
    usage: 'multicast NAME,NAME… TEXT…',
    describe: 'send a text to several peers',
    run: multicast,
  },
};

/** The verb of a word. */
export function verbOf(word: string): Verb | undefined {
  return Object.hasOwn(verbs, word) ? verbs[word] : undefined;
}

function usage(name: string): FilerError {
  return new FilerError('usage', `type it as: ${verbs[name]?.usage ?? name}`);
}

async function connections(
  words: readonly string[],
  { daemon, show, columns, signal }: ShellWork,
): Promise<void> {
  if (words.length > 0) throw usage('connections');
  const { connections: all } = await daemon.call(contract.connections, {}, { signal });
  if (all.length === 0) {
    const { server } = await daemon.call(contract.status, {}, { signal });
    show(`Nothing is connected; ${noServerWords(server.problem)}.`);
    return;
  }
  show(
    renderTable(
      [
        { title: 'WITH', fit: 'whole' },
        { title: 'WAY', fit: 'whole' },
        { title: 'ADDRESS', fit: 'whole' },
        { title: 'VIA', fit: 'whole', dropOrder: 1 },
        { title: 'SENT', fit: 'whole', align: 'right' },
        { title: 'RECEIVED', fit: 'whole', align: 'right' },
      ],
      all.map((each) => [
        each.name,
        each.direction,
        each.address,
        each.via,
        formatBytes(each.bytesSent),
        formatBytes(each.bytesReceived),
      ]),
      columns,
    ),
  );
}

async function connect(
  [target, ...rest]: readonly string[],
  { daemon, show, signal }: ShellWork,
): Promise<void> {
  if (target === undefined || rest.length > 0) throw usage('connect');
  const { name } = await daemon.call(contract.connect, { target }, { signal });
  show(`connected to ${name}`);
}

async function close(
  [target, ...rest]: readonly string[],
  { daemon, show, signal }: ShellWork,
): Promise<void> {
  if (target === undefined || rest.length > 0) throw usage('close');
  const { name, closed } = await daemon.call(contract.disconnect, { target }, { signal });
  show(closed === 1 ? `closed the connection with ${name}` : `closed ${closed} connections with ${name}`);
}

/** One after the other: each is told how it went. */
async function multicast([targets, ...rest]: readonly string[], work: ShellWork): Promise<void> {
  if (targets === undefined || rest.length === 0) throw usage('multicast');
  const { daemon, show, signal } = work;
  const failed: string[] = [];
  for (const target of targets.split(',')) {
    try {
      const { reached } = await daemon.call(contract.message, { target, text: rest.join(' ') }, { signal });
      show(target.startsWith('@') ? `${target}: ${reached} have it` : `${target} has it`);
    } catch (error) {
      if (!(error instanceof FilerError) || signal.aborted) throw error;
      failed.push(target);
      show(error.message);
    }
  }
  if (failed.length > 0) throw new FilerError('partial', `not told: ${failed.join(', ')}`);
}
