import { basename } from 'node:path';
import { formatBytes, printable } from '@filer/program';
import type { JobDocument, RecipientDocument } from '../jobs/job-documents.ts';

/** `a.txt, b and 3 more` */
export function pathsInWords({ paths }: JobDocument): string {
  const shown = paths.slice(0, 2).map((path) => printable(basename(path)));
  const more = paths.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

/** `bob  running: 3 files, 12 MB of 40 MB` */
export function recipientInWords(recipient: RecipientDocument): string {
  const { name, state, status, filesSent, bytesSent, bytesTotal } = recipient;
  const how =
    state === 'running'
      ? `${filesSent === 1 ? '1 file' : `${filesSent} files`}, ${formatBytes(bytesSent)} of ${formatBytes(bytesTotal)} sent`
      : printable(status);
  return `${name}  ${state}: ${how}`;
}
