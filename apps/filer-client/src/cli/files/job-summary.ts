import { formatBytes, formatRate, printable, type Context } from '@filer/program';
import type { RecipientDone, SendDone } from '../../api/contract/send.ts';
import type { Reasons } from './reasons.ts';

/** A reason with the recipient that it is about. */
export function reasonOf(recipient: string, why: string): string {
  return why.startsWith(`${recipient} `) ? why : `${recipient}: ${why}`;
}

/** The last lines of a job. @param busyMs how long it was at work @param reasons those that were shown */
export function summarize(done: SendDone, busyMs: number, reasons: Reasons, context: Context): void {
  const { output } = context;
  for (const { name, ok, code, status } of done.recipients) {
    // Of a recipient that got some of the files, those that failed were named.
    if (!ok && code !== 'partial') reasons.conclude(reasonOf(name, status), output);
  }
  if (done.dryRun === true) {
    const to = done.recipients.map(({ name }) => name).join(', ');
    output.words(
      `${countOf(done.filesTotal ?? 0)} of ${formatBytes(done.bytesTotal)} would go to ${to}${done.filesRemoved === 0 ? '' : `, ${countOf(done.filesRemoved)} would be removed there`}: nothing was sent`,
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
  output.words(deliveredWords(done, busyMs));
  const [first] = done.recipients;
  if (done.ok && first?.state === 'delivered') output.hint(`On ${first.name}:  filer-client inbox`);
}

/** `5 files delivered, 1 failed, 12 MB sent at 3 MB/s; 1 of 2 machines have all of it  job …` */
export function deliveredWords(done: SendDone, busyMs: number): string {
  const delivered = done.recipients.filter(({ state }) => state === 'delivered').length;
  const there = done.filesSkipped - done.filesKept;
  const skipped = there === 0 ? '' : `, ${there} there already`;
  const kept = done.filesKept === 0 ? '' : `, ${done.filesKept} not compared: theirs are kept`;
  const failed = done.filesFailed === 0 ? '' : `, ${done.filesFailed} failed`;
  const { linksLeftOut: links, filesRemoved } = done;
  const removed = filesRemoved === 0 ? '' : `, ${filesRemoved} removed there`;
  const left = links === 0 ? '' : `, ${links === 1 ? '1 link' : `${links} links`} not sent`;
  const all = done.recipients.length;
  const machines = all === 1 ? '' : `; ${delivered} of ${all} machines have all of it`;
  const rate = done.bytesSent === 0 ? '' : ` at ${formatRate(done.bytesSent, busyMs)}`;
  const sent = `${formatBytes(done.bytesSent)} sent${rate}`;
  return `${countOf(done.filesSent)} delivered${skipped}${kept}${removed}${left}${failed}, ${sent}${machines}  job ${done.job}`;
}

/** How one of several ended: `bob  delivered: 1 file delivered`. */
function outcomeLine({ name, state = 'failed', status }: RecipientDone): string {
  return `${name}  ${state}: ${printable(status)}`;
}

function countOf(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}
