import { withoutStage } from '../../jobs/stage-documents.ts';
import { FilerError } from '@filer/protocol';
import {
  formatBytes,
  openProgress,
  printable,
  type Context,
  type ProgressDisplay,
  type ProgressMode,
} from '@filer/program';
import { isDaemonHere } from '../../api/daemon-client.ts';
import type { FolderTold, JobStarted, ReceiptTold, SendDone, SendEvent } from '../../api/contract/send.ts';
import { BusyTime } from './busy-time.ts';
import { GroupedReasons, reasonOf } from './grouped-reasons.ts';
import { summarize, type Failures } from './job-summary.ts';
import { LeftOutLinks } from './left-out-links.ts';
import { Reasons } from './reasons.ts';

/**
 * Shows a job from its first event to its end: bars, lines, or JSON.
 *
 * @param mode how progress is shown; undefined for what suits the terminal
 * @returns the exit code
 */
export async function showJob(
  context: Context,
  mode: ProgressMode | undefined,
  run: (onEvent: (event: SendEvent) => void) => Promise<SendDone>,
): Promise<number> {
  const { output, signal } = context;
  const progress = await openProgress(context, mode);
  const busy = new BusyTime(performance.now());
  // Lines between bars would tear them: they follow when the bars stand still.
  const later: (() => void)[] = [];
  const print = (line: () => void): void => {
    if (progress.isDrawn) later.push(line);
    else line();
  };
  const failures = { shown: new Reasons(), grouped: new GroupedReasons() };
  const words = { failures, receipts: new ReceiptLines(), links: new LeftOutLinks(), print };
  let started: JobStarted | undefined;
  let isStaged = false;
  let done: SendDone;
  try {
    done = await run((event) => {
      output.json(event);
      busy.take(event, performance.now());
      if (event.type === 'job') started = event;
      if ('receivedAs' in event) isStaged ||= withoutStage(event.receivedAs) !== event.receivedAs;
      if (event.type === 'folder') words.receipts.folder(event);
      showProgress(event, progress, started);
      tell(event, words, started?.recipients.length ?? 1, context);
    });
  } catch (error) {
    for (const sentence of failures.grouped.sentences()) later.push(() => output.warn(sentence));
    const { job, queue } = started ?? { job: undefined, queue: false };
    throw !job || (signal.aborted && queue) ? error : cutOff(job, error);
  } finally {
    progress.stop();
    for (const line of later) line();
    for (const line of words.receipts.sums()) output.line(line);
    const links = words.links.line('sent', LINKS_ADVICE);
    if (links !== undefined) output.warn(links);
    if (signal.aborted && started?.queue === true) tellDetached(started.job, context);
  }
  output.json(done);
  const busyMs = busy.until(performance.now());
  const isQueued = done.recipients.some(({ state }) => state === 'queued');
  const isContinued = !isQueued || (await isDaemonHere(context));
  summarize(done, busyMs, failures, { isDaemonHere: isContinued, isStaged }, context);
  return done.exitCode;
}

const LINKS_ADVICE = ': --copy-links sends what they lead to, --skip-links sends no links';

/** Why a command does not follow a job to its end, with what happens to the job, and what to type. */
export function cutOff(job: string, error: unknown): unknown {
  if (!(error instanceof FilerError)) return error;
  const { code, message } = error;
  const retry = `\`filer-client retry ${job}\``;
  const next =
    code === 'connection-closed'
      ? `the job continues when \`filer-client start\` runs here again, or without a daemon by ${retry}`
      : `${retry} continues it`;
  return new FilerError(code, `${message}; ${next}`, { cause: error });
}

function tellDetached(job: string, { output }: Context): void {
  output.words(`Job ${job} continues in the background while \`filer-client start\` runs here.`);
  output.words(`Watch it:  filer-client transfers   Cancel it:  filer-client cancel ${job}`);
}

interface Words {
  readonly failures: Failures;
  readonly receipts: ReceiptLines;
  readonly links: LeftOutLinks;
  /** Prints at once, or when it does not disturb. */
  readonly print: (line: () => void) => void;
}

function tell(
  event: SendEvent,
  { failures, receipts, links, print }: Words,
  recipients: number,
  context: Context,
): void {
  const { output } = context;
  if (event.type === 'file') links.take(event);
  if (event.type === 'would-send') {
    const path = printable(event.path);
    print(() => output.line(event.kind === 'dir' ? `${path}/` : `${path}  ${formatBytes(event.size)}`));
  }
  if (event.type === 'removed' || event.type === 'would-remove') {
    const line = removalLine(event);
    print(() => output.line(line));
  }
  if (event.type === 'not-removed') {
    const { recipient, message } = event;
    if (recipients > 1) failures.grouped.add(recipient, message, null);
    else print(() => failures.shown.warn(reasonOf(recipient, message), output));
  }
  if (event.type === 'receipt') {
    const line = receipts.line(event);
    print(() => output.line(line));
  }
  // Of a file that arrived its receipt is told.
  if (event.type === 'file' && !event.ok) {
    const { recipient, message, code } = event;
    const why = message ?? code ?? 'failed';
    if (recipients > 1) failures.grouped.add(recipient, why, code);
    else print(() => failures.shown.warn(reasonOf(recipient, why), output));
  }
}

/** `bob has removed anna/tree/old, signed` */
function removalLine(event: Extract<SendEvent, { type: 'removed' | 'would-remove' }>): string {
  const path = `${printable(event.receivedAs)}${event.kind === 'dir' ? '/' : ''}`;
  return event.type === 'removed'
    ? `${event.recipient} has removed ${path}, signed`
    : `${event.recipient} would remove ${path}`;
}

/** Shows what is told about a job in a display of progress. */
function showProgress(event: SendEvent, display: ProgressDisplay, job: JobStarted | undefined): void {
  // Of several recipients the lines of progress say it.
  const isSaid = job?.recipients.length === 1 || !display.isDrawn;
  switch (event.type) {
    case 'job':
      display.expect(event.recipients.map(({ name }) => name));
      break;
    case 'progress':
      display.show(event.recipient, event, event.bytesSent);
      break;
    case 'waiting':
      display.mark(event.recipient, 'asked');
      if (!isSaid) break;
      display.say(
        `${event.recipient} was asked and has not answered yet (Ctrl-C ${job?.queue === true ? 'only stops watching' : 'withdraws it'})`,
      );
      break;
    case 'retry':
      display.mark(event.recipient, 'lost');
      if (isSaid) display.say(`${event.recipient} was lost (${event.reason}), trying again`);
      break;
    case 'queued':
      display.mark(event.recipient, 'queued');
      // Of several the last lines tell it once.
      if (job?.recipients.length === 1) display.say(`queued for ${event.recipient}: ${event.reason}`);
      break;
    case 'recipient':
      display.mark(event.recipient, event.ok ? 'done' : 'failed');
      break;
    default:
  }
}

/** Receipts as lines for people: one for each path that was named, a folder's once all of it is there. */
export class ReceiptLines {
  readonly #folders = new Map<string, FolderTold>();

  /** @returns the line to print at once */
  line({ recipient, receivedAs, size, digest, synced, present }: ReceiptTold): string {
    const proof = `${digest.slice(0, 'blake3:'.length + 12)}…`;
    const has = present ? 'has already' : 'has';
    return `${recipient} ${has} ${shownPlace(receivedAs)} (${formatBytes(size)}, ${proof}, ${diskWords(synced)}), signed`;
  }

  /** What is told last of a folder counts. */
  folder(folder: FolderTold): void {
    this.#folders.set(`${folder.recipientId}\0${folder.receivedAs}\0${folder.path}`, folder);
  }

  /** The lines of folders. */
  sums(): string[] {
    return [...this.#folders.values()].map(({ recipient, receivedAs, files, bytes, synced }) => {
      const count = files === 1 ? '1 file' : `${files} files`;
      return `${recipient} has ${shownPlace(`${receivedAs}/`)} (${count}, ${formatBytes(bytes)}, ${diskWords(synced)}), signed`;
    });
  }
}

function diskWords(synced: boolean): string {
  return synced ? 'on disk' : 'not synced';
}

/** What is staged has no name of its own yet. */
function shownPlace(receivedAs: string): string {
  const path = withoutStage(receivedAs);
  return path === receivedAs ? printable(path) : `${printable(path)} staged`;
}
