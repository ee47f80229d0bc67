import { resolve } from 'node:path';
import { formatBytes, formatRate, printable, type Context } from '@filer/program';
import { contract } from '../api/contract.ts';
import { call } from '../api/daemon-client.ts';
import type { GetDone, GetEvent } from '../api/contract/get.ts';
import type { GetArguments } from './arguments.ts';
import { ProgressBars, progressDisplay } from './send-progress.ts';

export async function run(args: GetArguments, context: Context): Promise<number> {
  if (args.dest === '-') {
    const { getToStdout } = await import('./get-to-stdout.ts');
    return await getToStdout(args, context);
  }
  const { output } = context;
  const request = {
    source: args.source,
    dest: resolve(args.dest ?? '.'),
    timeoutMs: args.timeoutMs,
    onConflict: args.onConflict,
    exclude: args.exclude,
    checksum: args.checksum,
    dryRun: args.dryRun,
    ...(args.limit === undefined ? {} : { limit: args.limit }),
  };
  const progress = progressDisplay(output);
  const startedAt = performance.now();
  const [label = ''] = args.source.split(':');
  const later: GetEvent[] = [];
  const told = new Set<string>();
  let done: GetDone;
  try {
    done = await call(context, contract.get, request, (event) => {
      output.json(event);
      if (event.type === 'progress') progress.show({ ...event, recipient: label });
      else if (event.type === 'retry' || event.type === 'waiting') progress.say(lineOf(event));
      // Lines between the bars would tear them: they follow when the bars stand still.
      else if (progress instanceof ProgressBars) later.push(event);
      else tell(event, told, context);
    });
  } finally {
    progress.stop();
    for (const event of later) tell(event, told, context);
  }
  output.json(done);
  summarize(done, performance.now() - startedAt, told, context);
  return done.exitCode;
}

function tell(event: GetEvent, told: Set<string>, { output }: Context): void {
  switch (event.type) {
    case 'would-get': {
      const path = printable(event.path);
      output.line(event.kind === 'dir' ? `${path}/` : `${path}  ${formatBytes(event.size)}`);
      return;
    }
    case 'file':
      if (!event.ok) warnOnce(event.message ?? event.code ?? 'failed', told, output);
      return;
    default:
  }
}

function lineOf(event: Extract<GetEvent, { type: 'retry' | 'waiting' }>): string {
  return event.type === 'retry'
    ? `the connection was lost (${event.reason}), trying again`
    : `another get is writing ${printable(event.path)}: waiting until it is through`;
}

/** What fails many files, such as a full disk, is said once. */
function warnOnce(why: string, told: Set<string>, output: Context['output']): void {
  if (!told.has(why)) output.warn(why);
  told.add(why);
}

function summarize(done: GetDone, elapsedMs: number, told: Set<string>, { output }: Context): void {
  const { filesSent, filesSkipped, filesFailed, bytesSent, bytesTotal, path } = done;
  const [{ ok, code, status }] = done.recipients;
  if (!ok && code !== 'partial') warnOnce(status, told, output);
  if (done.dryRun === true) {
    output.words(
      `${countOf(done.filesTotal ?? 0)} of ${formatBytes(bytesTotal)} would come from ${done.from.name}: nothing was fetched`,
    );
    return;
  }
  if (ok) output.line(printable(path));
  if (filesSent + filesSkipped === 0) return;
  const rate = `${formatBytes(bytesSent)} at ${formatRate(bytesSent, elapsedMs)}`;
  if (ok) output.words(`${status}, ${rate}`);
  else output.words(`${countOf(filesSent)} fetched, ${filesFailed} failed, ${rate}`);
}

function countOf(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}
