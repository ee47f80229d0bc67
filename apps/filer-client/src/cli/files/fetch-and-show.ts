import { formatBytes, openProgress, printable, type Context, type ProgressMode } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { GetDone, GetEvent, GetParams } from '../../api/contract/get.ts';
import { cutOff } from './job-following.ts';
import { rateInWords } from './job-summary.ts';
import { LeftOutLinks } from './left-out-links.ts';
import { Reasons } from './reasons.ts';

/**
 * Fetches, and shows how it goes.
 *
 * @param as whether it is all of the command, or one part of it, whose end is none of the command
 */
export async function fetchAndShow(
  request: GetParams,
  mode: ProgressMode | undefined,
  context: Context,
  as: 'all' | 'part' = 'all',
): Promise<GetDone> {
  const { output } = context;
  const progress = await openProgress(context, request.dryRun === true ? 'none' : mode);
  const startedAt = performance.now();
  const [label = ''] = request.source.split(':');
  const later: GetEvent[] = [];
  const failed = new Reasons();
  const reasons = new Reasons();
  const links = new LeftOutLinks();
  let done: GetDone;
  let job: string | undefined;
  try {
    done = await call(context, contract.get, request, (event) => {
      output.json(event);
      if (event.type === 'file') links.take(event);
      if (event.type === 'job') {
        job = event.job;
        progress.expect([label]);
      }
      if (event.type === 'progress') progress.show(label, event, event.bytesSent);
      else if (event.type === 'retry' || event.type === 'waiting') {
        progress.mark(label, event.type === 'retry' ? 'lost' : 'queued');
        progress.say(lineOf(event));
      }
      // Lines between the bars would tear them: they follow when the bars stand still.
      else if (!progress.isDrawn) tell(event, reasons, context);
      else if (isShown(event, failed)) later.push(event);
    });
    progress.mark(label, done.ok ? 'done' : 'failed');
  } catch (error) {
    progress.mark(label, 'failed');
    progress.stop();
    throw job === undefined || request.dryRun === true ? error : cutOff(job, error);
  } finally {
    progress.stop();
    for (const event of later) tell(event, reasons, context);
    const line = links.line('fetched', '');
    if (line !== undefined) output.warn(line);
  }
  output.json(as === 'all' ? done : { ...done, type: 'fetched', source: request.source });
  summarize(done, performance.now() - startedAt, reasons, as, context);
  return done;
}

/** Whether it has a line of its own. @param failed those that are told already */
function isShown(event: GetEvent, failed: Reasons): boolean {
  return event.type === 'would-get' || (event.type === 'file' && !event.ok && failed.isNews(reasonOf(event)));
}

function reasonOf({ message, code }: Extract<GetEvent, { type: 'file' }>): string {
  return message ?? code ?? 'failed';
}

function tell(event: GetEvent, reasons: Reasons, { output }: Context): void {
  switch (event.type) {
    case 'would-get': {
      const path = printable(event.path);
      const here = PRESENT_WORDS[event.present ?? 'no'];
      output.line(event.kind === 'dir' ? `${path}/` : `${path}  ${formatBytes(event.size)}${here}`);
      return;
    }
    case 'file':
      if (!event.ok) reasons.warn(reasonOf(event), output);
      return;
    default:
  }
}

/** What a dry run says of what has the place of a file. */
const PRESENT_WORDS = {
  no: '',
  identical: '  here already',
  other: '  another one is here',
  unknown: '  one of this size is here, not compared',
} as const;

function lineOf(event: Extract<GetEvent, { type: 'retry' | 'waiting' }>): string {
  return event.type === 'retry'
    ? `the connection was lost (${event.reason}), trying again`
    : `another get is writing ${printable(event.path)}: waiting until it is through`;
}

function summarize(
  done: GetDone,
  elapsedMs: number,
  reasons: Reasons,
  as: 'all' | 'part',
  { output }: Context,
): void {
  const { filesSent, filesSkipped, filesFailed, bytesSent, bytesTotal, path } = done;
  const [{ ok, code, status }] = done.recipients;
  if (!ok && code !== 'partial') reasons.conclude(status, output);
  if (done.dryRun === true) {
    if (as === 'part') return; // one line tells of all parts
    const here = filesSkipped === 0 ? '' : `, ${filesSkipped} here already`;
    output.words(
      `${countOf(done.filesTotal ?? 0)} of ${formatBytes(bytesTotal)} would come from ${done.from.name}${here}: nothing was fetched`,
    );
    return;
  }
  if (ok) output.line(printable(output.path(path)));
  if (filesSent + filesSkipped === 0) return;
  const rate = `${formatBytes(bytesSent)}${rateInWords(bytesSent, elapsedMs)}`;
  if (ok) output.words(`${status}, ${rate}`);
  else output.words(`${countOf(filesSent)} fetched, ${filesFailed} failed, ${rate}`);
}

export function countOf(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}
