import { formatBytes, formatRate, type Context } from '@filer/program';
import type { RecipientDone, SendDone } from '../../api/contract/send.ts';
import { namesInWords, reasonOf, type GroupedReasons } from './grouped-reasons.ts';
import { outcomeInWords } from './job-messages.ts';
import type { Reasons } from './reasons.ts';

/** Fewer bytes travel in one packet or some: the time is that of the questions and answers around them. */
const FEW_BYTES = 64 * 1024;

/** Why files and recipients of a job failed. */
export interface Failures {
  /** Of a job to one recipient: those that were shown. */
  readonly shown: Reasons;
  /** Of a job to several: they are told at its end, each once. */
  readonly grouped: GroupedReasons;
}

/**
 * The last lines of a job.
 *
 * @param busyMs how long it was at work
 * @param how `isDaemonHere`: whether a daemon runs that continues what waits; `isStaged`: whether it has no names yet
 */
export function summarize(
  done: SendDone,
  busyMs: number,
  { shown, grouped }: Failures,
  { isDaemonHere, isStaged }: { readonly isDaemonHere: boolean; readonly isStaged: boolean },
  context: Context,
): void {
  const { output } = context;
  const isToMany = done.recipients.length > 1;
  for (const { name, ok, code, status } of done.recipients) {
    // Of a recipient that got some of the files, those that failed were named.
    if (ok || code === 'partial') continue;
    if (isToMany) grouped.add(name, status, code);
    else shown.conclude(reasonOf(name, status), output);
  }
  for (const sentence of grouped.sentences()) output.warn(sentence);
  if (done.dryRun === true) {
    const to = done.recipients.map(({ name }) => name).join(', ');
    output.words(
      `${countOf(done.filesTotal ?? 0)} of ${formatBytes(done.bytesTotal)} would go to ${to}${done.filesRemoved === 0 ? '' : `, ${countOf(done.filesRemoved)} would be removed there`}: nothing was sent`,
    );
  }
  if (isToMany && done.dryRun !== true) {
    for (const line of outcomeLines(done.recipients)) output.line(line);
    for (const line of originLines(done.recipients)) output.line(line);
  }
  const queued = done.recipients.filter(({ state }) => state === 'queued');
  if (queued.length > 0) {
    const names = namesInWords(queued.map(({ name }) => name));
    const when = isDaemonHere
      ? 'by itself, as long as `filer-client start` runs here'
      : 'once `filer-client start` runs here: it does not run now';
    output.words(`The rest goes to ${names} ${when}  job ${done.job}`);
  }
  const [first] = done.recipients;
  const isAnyThere = done.dryRun !== true && done.recipients.some(({ state }) => state === 'delivered');
  if (done.filesSent + done.filesSkipped === 0 && !isAnyThere) return;
  output.words(deliveredWords(done, busyMs));
  if (!done.ok || first?.state !== 'delivered') return;
  output.hint(
    isStaged
      ? `Make it appear there:  filer-client release ${done.job}`
      : `On ${first.name}:  filer-client inbox`,
  );
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
  const sent = `${formatBytes(done.bytesSent)} sent${rateInWords(done.bytesSent, busyMs)}${pathsInWords(done.recipients)}`;
  return `${countOf(done.filesSent)} delivered${skipped}${kept}${removed}${left}${failed}, ${sent}${machines}  job ${done.job}`;
}

/** ` at 3 MB/s`; nothing for so few bytes that their time says nothing of the path. */
export function rateInWords(bytes: number, ms: number): string {
  return bytes < FEW_BYTES ? '' : ` at ${formatRate(bytes, ms)}`;
}

/** How several ended, those with the same result in one line: `bob and carol  1 file delivered`. */
function outcomeLines(recipients: readonly RecipientDone[]): string[] {
  const names = new Map<string, string[]>();
  for (const { name, ok, code, state = 'failed', status } of recipients) {
    // Why it failed was told.
    const how = ok || code === 'partial' ? outcomeInWords(state, status) : state;
    names.set(how, [...(names.get(how) ?? []), name]);
  }
  return [...names].map(([how, alike]) => `${namesInWords(alike)}  ${how}`);
}

/** Who got content from whom, where recipients passed it on: `carol  got 64 MiB from bob, 1 MiB from here`. */
function originLines(recipients: readonly RecipientDone[]): string[] {
  if (recipients.every(({ via = [] }) => via.length === 0)) return [];
  const width = Math.max(...recipients.map(({ name }) => name.length));
  return recipients.flatMap(({ name, via = [], fromSender = 0 }) => {
    const parts = via.map((each) => `${formatBytes(each.bytes)} from ${each.name}`);
    if (fromSender > 0) parts.push(`${formatBytes(fromSender)} from here`);
    return parts.length === 0 ? [] : [`${name.padEnd(width)}  got ${parts.join(', ')}`];
  });
}

/** On which paths: `, direct`; of several `, 3 direct, 1 relayed by ip-server`. */
function pathsInWords(recipients: readonly RecipientDone[]): string {
  const counts = new Map<string, number>();
  for (const { connection } of recipients)
    if (connection !== undefined) counts.set(connection, (counts.get(connection) ?? 0) + 1);
  return [...counts].map(([path, n]) => (recipients.length === 1 ? `, ${path}` : `, ${n} ${path}`)).join('');
}

function countOf(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}
