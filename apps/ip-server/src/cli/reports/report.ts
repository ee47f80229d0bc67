import { FilerError, loadIdentity, type Attachment } from '@filer/protocol';
import {
  formatBytes,
  formatDuration,
  openProgress,
  optional,
  printable,
  progressArgument,
  required,
  textKind,
  type ArgumentValues,
  type Context,
  type ProgressMode,
} from '@filer/program';
import { filesPlaceOf } from '../../uploads/files-place.ts';
import { ReportFolders } from '../../uploads/report-folders.ts';
import { takeOut, type TakeOut } from './attached-files.ts';
import { documentOf, Names, openHistory } from './report-documents.ts';
import { failureOf } from './report-formats.ts';

export const args = {
  id: required(textKind('the id of a report', { value: 'id', completes: 'report' }), 'which report'),
  out: optional(
    textKind('a folder', { completes: 'folder' }),
    'copy its files to this folder; existing files are not replaced',
  ),
  progress: progressArgument,
};

export const examples = ['reports get 1204'];

export async function run(
  { id, out, progress: mode }: ArgumentValues<typeof args>,
  context: Context,
): Promise<void> {
  const { home, output, signal } = context;
  const store = await openHistory(context);
  try {
    const stored = await store.reports.get(id);
    if (stored === undefined) {
      throw new FilerError(
        'no-such-report',
        `there is no report ${JSON.stringify(id)}: "ip-server reports" shows the ids of the stored reports`,
      );
    }
    const names = new Names(store.registry);
    await names.update();
    const document = documentOf(stored, names.all);
    const { peer: from, report } = stored;
    const place = filesPlaceOf(home, await store.registry.filesFolder());
    const server = (await loadIdentity(home.identityFolder))?.id;
    const folders = new ReportFolders(store.attachments, place, home, server);
    const taken =
      out === undefined
        ? undefined
        : await copyOut(
            {
              from: await folders.of({ peer: from, ...report }),
              to: out,
              attachments: document.attachments,
              signal,
            },
            mode,
            context,
          );
    output.json(taken === undefined ? document : { ...document, files: taken.files });
    const { peer, title, schedule, time, receivedAt, values, output: text, run: end, attachments } = document;
    output.line(`${printable(peer)}, ${time} (received ${receivedAt})`);
    if (schedule !== null) output.line(`schedule ${printable(schedule)}`);
    if (title !== null) output.line(printable(title));
    for (const [key, value] of Object.entries(values))
      output.line(`  ${printable(key)} = ${printable(value)}`);
    for (const { name, size } of attachments)
      output.line(`  ${printable(name)}, a file of ${formatBytes(size)}`);
    if (end !== null) {
      const how = failureOf(end)[0] ?? 'done';
      output.line(`its command: ${printable(how)} after ${formatDuration(end.durationMs)}`);
    }
    for (const line of text?.trimEnd().split('\n') ?? []) output.line(`  ${printable(line)}`);
    if (end !== null && end.droppedBytes > 0)
      output.line(`  (${formatBytes(end.droppedBytes)} more are not in the report)`);
    for (const { path } of taken?.files ?? []) output.line(`copied to ${printable(path)}`);
    requireAll(taken?.failures ?? [], taken?.files.length ?? 0);
  } finally {
    await store.close();
  }
}

async function copyOut(
  request: Omit<TakeOut, 'onCopied'>,
  mode: ProgressMode | undefined,
  context: Context,
): ReturnType<typeof takeOut> {
  const progress = await openProgress(context, mode);
  try {
    const onCopied = ({ name, size }: Attachment, bytes: number): void => {
      const amounts = {
        bytesDone: bytes,
        bytesTotal: size,
        filesDone: Number(bytes === size),
        filesTotal: 1,
      };
      progress.show(name, { ...amounts, complete: true }, bytes);
    };
    return await takeOut({ ...request, onCopied });
  } finally {
    progress.stop();
  }
}

/** @throws the first failure, or `partial` when others are out */
function requireAll(failures: readonly FilerError[], copied: number): void {
  const [first] = failures;
  if (first === undefined) return;
  const damaged = failures.find(({ code }) => code === 'verification-failed');
  if (damaged !== undefined || copied === 0) throw damaged ?? first;
  throw new FilerError('partial', `${failures.length} files were not copied: ${first.message}`, {
    cause: first,
  });
}
