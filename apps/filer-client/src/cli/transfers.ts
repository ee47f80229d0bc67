import { formatAgo, formatBytes, printable, type Context } from '@filer/program';
import { perform } from '../control/perform.ts';
import type { Transfers } from '../daemon/operations/jobs.ts';
import type { ProgressDocument } from '../jobs/live-progress.ts';
import type { TransfersArguments } from './commands.ts';
import { pathsInWords, recipientInWords } from './job-words.ts';
import { progressWords } from './progress-words.ts';
import { watchState } from './watch-state.ts';

export async function run({ watch }: TransfersArguments, context: Context): Promise<void> {
  const ask = (): Promise<Transfers> => perform(context, 'transfers', {});
  if (watch) await watchState(context, ask, (transfers) => show(transfers, context));
  else show(await ask(), context);
}

function show(transfers: Transfers, { output }: Context): void {
  output.json(transfers);
  const { outgoing, incoming, fetching, serving } = transfers;
  const now = Date.now();
  for (const job of outgoing) {
    output.line(
      `${job.job}  ${job.state}  ${pathsInWords(job)}, ${formatAgo(Date.parse(job.createdAt), now)}`,
    );
    for (const recipient of job.recipients) output.line(`  to ${recipientInWords(recipient)}`);
  }
  for (const { from, path, bytesReceived, bytesTotal } of incoming) {
    const what = path === '' ? '' : `  ${printable(path)}`;
    output.line(`from ${from}  ${formatBytes(bytesReceived)} of ${formatBytes(bytesTotal)}${what}`);
  }
  for (const { from, path, progress } of fetching)
    output.line(`get ${printable(`${from}:${path}`)}  ${amountWords(progress)}`);
  for (const { to, path, progress } of serving)
    output.line(`${to} gets ${printable(path)}  ${amountWords(progress)}`);
  if (outgoing.length + incoming.length + fetching.length + serving.length === 0)
    output.line('Nothing is sent or received now, and nothing waits.');
}

function amountWords(progress: ProgressDocument | null): string {
  return progress === null ? 'begins' : progressWords(progress, progress.bytesPerSecond);
}
