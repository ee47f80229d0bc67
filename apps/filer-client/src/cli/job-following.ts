import { formatBytes, formatRate, printable, type Context } from '@filer/program';
import type {
  JobStarted,
  QueuedTold,
  RecipientDone,
  Retrying,
  SendDone,
  SendEvent,
  Waiting,
} from '../jobs/send-events.ts';
import { ReceiptLines } from './receipt-lines.ts';
import { ProgressBars, progressDisplay } from './send-progress.ts';

/**
 * Shows a job from its first event to its end: bars, lines, or JSON.
 *
 * @param paths that were named
 * @returns the exit code
 */
export async function showJob(
  paths: readonly string[],
  context: Context,
  perform: (onItem: (item: unknown) => void) => Promise<SendDone>,
): Promise<number> {
  const { output, signal } = context;
  const progress = progressDisplay(output);
  const startedAt = performance.now();
  const words = { told: new Set<string>(), receipts: new ReceiptLines(paths) };
  // Lines between bars would tear them: they follow when the bars stand still.
  const later: SendEvent[] = [];
  let started: JobStarted | undefined;
  let done: SendDone;
  try {
    done = await perform((item) => {
      const event = item as SendEvent;
      output.json(event);
      if (event.type === 'job') started = event;
      else if (event.type === 'progress') progress.show(event);
      else if (event.type === 'waiting' || event.type === 'retry' || event.type === 'queued')
        progress.say(lineOf(event, started?.queue === true));
      else if (progress instanceof ProgressBars) later.push(event);
      else tell(event, words, context);
    });
  } finally {
    progress.stop();
    for (const event of later) tell(event, words, context);
    for (const line of words.receipts.sums()) output.line(line);
    if (signal.aborted && started?.queue === true) tellDetached(started.job, context);
  }
  output.json(done);
  summarize(done, performance.now() - startedAt, words.told, context);
  return done.exitCode;
}

function tellDetached(job: string, { output }: Context): void {
  output.words(`Job ${job} goes on without you, as long as \`filer-client start\` runs here.`);
  output.words(`Look after it:  filer-client transfers   End it:  filer-client cancel ${job}`);
}

interface Words {
  /** What was said already. */
  readonly told: Set<string>;
  readonly receipts: ReceiptLines;
}

function tell(event: SendEvent, { told, receipts }: Words, context: Context): void {
  const { output } = context;
  if (event.type === 'would-send') {
    const path = printable(event.path);
    output.line(event.kind === 'dir' ? `${path}/` : `${path}  ${formatBytes(event.size)}`);
  }
  if (event.type === 'receipt') {
    const line = receipts.add(event);
    if (line !== undefined) output.line(line);
  }
  // Of a file that arrived its receipt is told.
  if (event.type === 'file' && !event.ok)
    warnOnce(event.recipient, event.message ?? event.code ?? 'failed', told, context);
}

function lineOf(event: Waiting | Retrying | QueuedTold, isQueued: boolean): string {
  switch (event.type) {
    case 'waiting':
      return `${event.recipient} was asked and has not answered yet (Ctrl-C ${isQueued ? 'only stops watching' : 'withdraws it'})`;
    case 'retry':
      return `${event.recipient} was lost (${event.reason}), trying again`;
    case 'queued':
      return `queued for ${event.recipient}: ${event.reason}`;
  }
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
  if (done.recipients.length > 1 && done.dryRun !== true)
    for (const recipient of done.recipients) output.line(outcomeLine(recipient));
  const queued = done.recipients.filter(({ state }) => state === 'queued');
  if (queued.length > 0) {
    const names = queued.map(({ name }) => name).join(', ');
    output.words(
      `The rest goes to ${names} by itself, as long as \`filer-client start\` runs here  job ${done.job}`,
    );
  }
  if (done.filesSent + done.filesSkipped === 0) return;
  const delivered = done.recipients.filter(({ state }) => state === 'delivered').length;
  const rate = formatRate(done.bytesSent, elapsedMs);
  const files = countOf(done.filesSent);
  const there = done.filesSkipped - done.filesKept;
  const skipped = there === 0 ? '' : `, ${there} there already`;
  const kept = done.filesKept === 0 ? '' : `, ${done.filesKept} not compared: theirs are kept`;
  const failed = done.filesFailed === 0 ? '' : `, ${done.filesFailed} failed`;
  const machines =
    done.recipients.length === 1 ? '' : ` to ${delivered} of ${done.recipients.length} machines`;
  output.words(
    `${files} delivered${skipped}${kept}${failed}${machines}, ${formatBytes(done.bytesSent)} at ${rate}  job ${done.job}`,
  );
  const [first] = done.recipients;
  if (done.ok && first?.state === 'delivered') output.hint(`On ${first.name}:  filer-client inbox`);
}

/** How one of several ended: `bob  delivered: 1 file delivered`. */
function outcomeLine({ name, state = 'failed', status }: RecipientDone): string {
  return `${name}  ${state}: ${printable(status)}`;
}

function countOf(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}
