import { basename } from 'node:path';
import { formatBytes, printable } from '@filer/program';
import type { JobDocument, RecipientDocument } from '../../api/contract/transfers.ts';

/** `a.txt, b and 3 more`, `standard input as x.tar`, or `share/path, fetched` */
export function pathsInWords({ kind, paths, as, into, shared }: JobDocument): string {
  if (kind === 'get') return `${printable(shared ?? '')} to ${printable(paths[0] ?? '')}`;
  if (shared !== null) return `${printable(shared)}, fetched`;
  const named = paths.map((path) => (path === '-' ? 'standard input' : printable(basename(path))));
  const shown = named.slice(0, 2).join(', ');
  const more = named.length > 2 ? ` and ${named.length - 2} more` : '';
  const where = into === null ? '' : ` into ${printable(into)}/`;
  return `${shown}${as === null ? more : ` as ${printable(as)}`}${where}`;
}

/** `bob  running: 3 files, 12 MB of 40 MB` */
export function recipientInWords(recipient: RecipientDocument): string {
  const { name, state, status, connection, filesSent, bytesSent, bytesTotal, progress } = recipient;
  if (progress !== null) return `${name}  ${state}: ${progress.words}`;
  const how =
    state === 'running'
      ? `${filesSent === 1 ? '1 file' : `${filesSent} files`}, ${formatBytes(bytesSent)} of ${formatBytes(bytesTotal)} sent`
      : status;
  return `${name}  ${outcomeInWords(state, how)}${connection === null ? '' : `, ${connection}`}`;
}

/** `queued: bob is offline`; what was delivered says so itself. */
export function outcomeInWords(state: string, status: string): string {
  return state === 'delivered' && status !== '' ? printable(status) : `${state}: ${printable(status)}`;
}
