import { resolve } from 'node:path';
import { FilerError } from '@filer/protocol';
import { formatBytes, renderTable, type DaemonClient } from '@filer/program';
import { awayWords, peersLines } from '../network/peers.ts';
import { contract } from '../../api/contract.ts';
import type { TextOutcome } from '../../api/contract/peers.ts';
import type { SendEvent } from '../../api/contract/send.ts';
import { noServerWords } from '../network/no-server-messages.ts';
import { serverLine } from '../network/status.ts';

/** What a line of the shell works with. */
export interface ShellWork {
  readonly daemon: DaemonClient;
  readonly show: (text: string) => void;
  readonly columns: number;
  /** Aborted by Ctrl-C: ends what the line started, not the shell. */
  readonly signal: AbortSignal;
}

export interface ShellCommand {
  readonly usage: string;
  readonly describe: string;
  /** Which word, counted from 1, completes to the names of peers, or files; 0 for none. */
  readonly names: 'all' | 'first' | 'none';
  readonly run: (words: readonly string[], work: ShellWork) => Promise<void>;
}

/** All that can be typed, by its first word. `help`, `exit` and `quit` are the shell's own. */
export const shellCommands: Readonly<Record<string, ShellCommand>> = {
  peers: { usage: 'peers', describe: 'list the machines of the network', names: 'none', run: peers },
  connections: {
    usage: 'connections',
    describe: 'list connections, in and out',
    names: 'none',
    run: connections,
  },
  connect: {
    usage: 'connect NAME',
    describe: 'open a lasting connection to a peer',
    names: 'first',
    run: connect,
  },
  close: { usage: 'close NAME', describe: 'end the connections with a peer', names: 'first', run: close },
  send: {
    usage: 'send FILE… NAME[,NAME…]',
    describe: 'send files; Ctrl-C stops it',
    names: 'all',
    run: send,
  },
  message: { usage: 'message NAME TEXT…', describe: 'send a text to a peer', names: 'first', run: message },
  multicast: {
    usage: 'multicast NAME,NAME… TEXT…',
    describe: 'send a text to several peers, or to a @group',
    names: 'first',
    run: multicast,
  },
  broadcast: {
    usage: 'broadcast TEXT…',
    describe: 'send a text to everyone',
    names: 'none',
    run: broadcast,
  },
  accept: { usage: 'accept ID', describe: 'accept files that were offered', names: 'none', run: accept },
  decline: {
    usage: 'decline ID [REASON…]',
    describe: 'decline files that were offered',
    names: 'none',
    run: decline,
  },
  report: {
    usage: 'report KEY=VALUE…',
    describe: 'report values to the ip-server',
    names: 'none',
    run: report,
  },
  status: {
    usage: 'status',
    describe: 'show the identity and the connections of this machine',
    names: 'none',
    run: status,
  },
};

function usage(name: string): FilerError {
  return new FilerError('usage', `type it as: ${shellCommands[name]?.usage ?? name}`);
}

async function peers(_words: readonly string[], { daemon, show, columns, signal }: ShellWork): Promise<void> {
  const all = await daemon.call(contract.peers, {}, { signal });
  const now = Date.now();
  const away = awayWords(all, now);
  show([...peersLines(all, false, now, columns), ...(away === undefined ? [] : [away])].join('\n'));
}

async function connections(
  _words: readonly string[],
  { daemon, show, columns, signal }: ShellWork,
): Promise<void> {
  const { connections: all } = await daemon.call(contract.connections, {}, { signal });
  if (all.length === 0) {
    const { server } = await daemon.call(contract.status, {}, { signal });
    show(`Nothing is connected; ${noServerWords(server.problem)}.`);
    return;
  }
  show(
    renderTable(
      [{ title: 'WITH' }, { title: 'WAY' }, { title: 'ADDRESS' }, { title: 'SENT' }, { title: 'RECEIVED' }],
      all.map((each) => [
        each.name,
        each.direction,
        each.address,
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

async function send(words: readonly string[], { daemon, show, signal }: ShellWork): Promise<void> {
  const paths = words.slice(0, -1);
  const to = (words.at(-1) ?? '').split(',');
  if (paths.length === 0) throw usage('send');
  const onItem = (event: SendEvent): void => {
    if (event.type === 'receipt')
      show(`${event.recipient} has ${event.receivedAs} (${formatBytes(event.size)})`);
    if (event.type === 'file' && !event.ok)
      show(`${event.recipient}: ${event.message ?? event.code ?? 'failed'}`);
    if (event.type === 'waiting') show(`${event.recipient} was asked and has not answered yet`);
    if (event.type === 'retry') show(`${event.recipient} was lost (${event.reason}), trying again`);
  };
  const request = { paths: paths.map((path) => resolve(path)), to, note: '', timeoutMs: 60_000 };
  const done = await daemon.call(contract.send, request, { signal, onItem });
  for (const { name, ok, status } of done.recipients) if (!ok) show(`${name}: ${status}`);
  const counts = `${done.filesSent} delivered, ${done.filesFailed} failed`;
  if (!done.ok) throw new FilerError('partial', counts);
  show(counts);
}

async function message([target, ...rest]: readonly string[], work: ShellWork): Promise<void> {
  if (target === undefined || rest.length === 0) throw usage('message');
  await say(target, rest.join(' '), work);
}

async function multicast([targets, ...rest]: readonly string[], work: ShellWork): Promise<void> {
  if (targets === undefined || rest.length === 0) throw usage('multicast');
  for (const target of targets.split(',')) {
    try {
      await say(target, rest.join(' '), work);
    } catch (error) {
      if (!(error instanceof FilerError) || work.signal.aborted) throw error;
      work.show(error.message);
    }
  }
}

async function say(target: string, text: string, { daemon, show, signal }: ShellWork): Promise<void> {
  const outcome = await daemon.call(contract.message, { target, text }, { signal });
  show(target.startsWith('@') ? reached(outcome) : `${target} has it`);
}

async function broadcast(words: readonly string[], { daemon, show, signal }: ShellWork): Promise<void> {
  if (words.length === 0) throw usage('broadcast');
  show(reached(await daemon.call(contract.broadcast, { text: words.join(' ') }, { signal })));
}

function reached({ reached: count, offline, via }: TextOutcome): string {
  return `${via === 'server' ? 'handed to' : 'delivered to'} ${count}, ${offline} could not be reached`;
}

async function accept(words: readonly string[], work: ShellWork): Promise<void> {
  if (words.length !== 1) throw usage('accept');
  await answer(words, true, '', work);
}

async function decline([id, ...reason]: readonly string[], work: ShellWork): Promise<void> {
  if (id === undefined) throw usage('decline');
  await answer([id], false, reason.join(' '), work);
}

async function answer(
  ids: readonly string[],
  taken: boolean,
  reason: string,
  { daemon, show, signal }: ShellWork,
): Promise<void> {
  const { offers } = await daemon.call(contract.answerOffers, { accept: taken, ids, reason }, { signal });
  for (const { from, state } of offers) show(`${state} what ${from} offered`);
}

async function report(words: readonly string[], { daemon, show, signal }: ShellWork): Promise<void> {
  const values = words.map((word) => {
    const at = word.indexOf('=');
    if (at <= 0) throw usage('report');
    return [word.slice(0, at), word.slice(at + 1)] as const;
  });
  if (values.length === 0) throw usage('report');
  const { stored, reason } = await daemon.call(contract.report, { values, title: '' }, { signal });
  show(stored ? 'reported' : `kept on disk: ${reason ?? 'the ip-server has not stored it yet'}`);
}

async function status(_words: readonly string[], { daemon, show, signal }: ShellWork): Promise<void> {
  const told = await daemon.call(contract.status, {}, { signal });
  show(`${told.name}  ${told.id}`);
  show(`listens on ${told.listen ?? 'nothing'}; ip-server ${serverLine(told)}; ${told.spool} reports wait`);
}
