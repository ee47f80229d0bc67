import {
  flag,
  formatAgo,
  formatBytes,
  printable,
  screenLines,
  type ArgumentValues,
  type Context,
  type Screen,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { Transfers } from '../../api/contract/transfers.ts';
import type { ProgressDocument } from '../../api/contract/transfers.ts';
import { pathsInWords, recipientInWords } from './job-messages.ts';
import { watchState, type Watched } from '../watch/watch-state.ts';

export const args = { watch: flag('keep running, and show every change') };

export const examples = ['transfers', 'transfers --watch'];

export async function run({ watch }: ArgumentValues<typeof args>, context: Context): Promise<void> {
  const { output } = context;
  if (watch) {
    const watched: Watched<Transfers> = {
      types: ['transfer', 'directory'],
      ask: (daemon) => daemon.call(contract.transfers, {}),
    };
    await watchState(context, watched, { layOut: (transfers, { now }) => screenOf(transfers, now) });
    return;
  }
  const transfers = await call(context, contract.transfers, {});
  output.json(transfers);
  for (const line of screenLines(screenOf(transfers, Date.now()), output.columns)) output.line(line);
}

function screenOf(transfers: Transfers, now: number): Screen {
  const items = transferItems(transfers, now);
  return { items: items.length === 0 ? [['Nothing is sent or received now, and nothing waits.']] : items };
}

/** What runs and waits, each with its lines. */
export function transferItems({ outgoing, incoming, fetching, serving }: Transfers, now: number): string[][] {
  return [
    ...outgoing.map((job) => [
      `${job.job}  ${job.state}  ${pathsInWords(job)}, ${formatAgo(Date.parse(job.createdAt), now)}`,
      ...job.recipients.map(
        (recipient) => `  ${job.kind === 'get' ? 'from' : 'to'} ${recipientInWords(recipient)}`,
      ),
    ]),
    ...incoming.map(({ from, path, bytesReceived, bytesTotal }) => [
      `from ${from}  ${formatBytes(bytesReceived)} of ${formatBytes(bytesTotal)}${path === '' ? '' : `  ${printable(path)}`}`,
    ]),
    ...fetching.map(({ from, path, progress }) => [
      `get ${printable(`${from}:${path}`)}  ${amountWords(progress)}`,
    ]),
    ...serving.map(({ to, path, progress }) => [`${to} gets ${printable(path)}  ${amountWords(progress)}`]),
  ];
}

function amountWords(progress: ProgressDocument | null): string {
  return progress?.words ?? 'begins';
}
