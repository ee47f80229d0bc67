import { resolve } from 'node:path';
import { formatBytes, formatRate, printable, type Context } from '@filer/program';
import { perform } from '../control/perform.ts';
import type { ReceiptTold, SendDone, SendEvent, Waiting } from '../jobs/send-events.ts';
import type { SendArguments } from './commands.ts';
import { SendProgress } from './send-progress.ts';

export async function run(args: SendArguments, context: Context): Promise<number> {
  const { output } = context;
  const request = {
    paths: args.paths.map((path) => resolve(path)),
    to: args.to,
    note: args.note ?? '',
    timeoutMs: args.timeoutMs,
    onConflict: args.onConflict,
    checksum: args.checksum,
    exclude: args.exclude,
    dryRun: args.dryRun,
  };
  const progress =
    output.isTerminal && !output.quiet && !output.jsonMode ? new SendProgress(output) : undefined;
  const startedAt = performance.now();
  const later: SendEvent[] = [];
  const told = new Set<string>();
  let done: SendDone;
  try {
    done = await perform(context, 'send', request, {
      onItem: (item) => {
        const event = item as SendEvent;
        output.json(event);
        progress?.show(event);
        if (event.type === 'progress' || event.type === 'job') return;
        if (event.type === 'file' && event.ok) return; // its receipt is told
        // Lines between the bars would tear them: they follow when the bars stand still.
        if (progress !== undefined && event.type === 'waiting') progress.say(waitingLine(event));
        else if (progress === undefined) tell(event, told, context);
        else later.push(event);
      },
    });
  } finally {
    progress?.stop();
    for (const event of later) tell(event, told, context);
  }
  output.json(done);
  summarize(done, performance.now() - startedAt, told, context);
  return done.exitCode;
}

function tell(event: SendEvent, told: Set<string>, context: Context): void {
  const { output } = context;
  if (event.type === 'would-send') {
    const path = printable(event.path);
    output.line(event.kind === 'dir' ? `${path}/` : `${path}  ${formatBytes(event.size)}`);
  }
  if (event.type === 'receipt') output.line(receiptLine(event));
  if (event.type === 'file' && !event.ok)
    warnOnce(event.recipient, event.message ?? event.code ?? 'failed', told, context);
  if (event.type === 'waiting') output.words(waitingLine(event));
  if (event.type === 'retry') output.words(`${event.recipient} was lost (${event.reason}), trying again`);
}

function waitingLine({ recipient }: Waiting): string {
  return `${recipient} was asked and has not answered yet (Ctrl-C withdraws it)`;
}

function receiptLine({ recipient, receivedAs, size, digest, synced }: ReceiptTold): string {
  const proof = `${digest.slice(0, 'blake3:'.length + 12)}…`;
  return `${recipient} has ${printable(receivedAs)} (${formatBytes(size)}, ${proof}, ${synced ? 'on disk' : 'not synced'}), signed`;
}

/** What fails many files, such as a full disk, is said once. */
function warnOnce(recipient: string, why: string, told: Set<string>, { output }: Context): void {
  const line = why.startsWith(`${recipient} `) ? why : `${recipient}: ${why}`;
  if (!told.has(line)) output.warn(line);
  told.add(line);
}

function summarize(done: SendDone, elapsedMs: number, told: Set<string>, context: Context): void {
  const { output } = context;
  for (const { name, ok, code, status } of done.recipients) {
    // Of a recipient that got some of the files, those that failed were named.
    if (!ok && code !== 'partial') warnOnce(name, status, told, context);
  }
  if (done.dryRun === true) {
    const to = done.recipients.map(({ name }) => name).join(', ');
    output.words(
      `${countOf(done.filesTotal ?? 0)} of ${formatBytes(done.bytesTotal)} would go to ${to}: nothing was sent`,
    );
  }
  if (done.filesSent + done.filesSkipped === 0) return;
  const delivered = done.recipients.filter((recipient) => recipient.ok).length;
  const rate = formatRate(done.bytesSent, elapsedMs);
  const files = countOf(done.filesSent);
  const skipped = done.filesSkipped === 0 ? '' : `, ${done.filesSkipped} there already`;
  const failed = done.filesFailed === 0 ? '' : `, ${done.filesFailed} failed`;
  const machines =
    done.recipients.length === 1 ? '' : ` to ${delivered} of ${done.recipients.length} machines`;
  output.words(
    `${files} delivered${skipped}${failed}${machines}, ${formatBytes(done.bytesSent)} at ${rate}  job ${done.job}`,
  );
  const [first] = done.recipients;
  if (done.ok && first !== undefined) output.hint(`On ${first.name}:  filer-client inbox`);
}

function countOf(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}
