import type { Doc, Job, Peer, Recipient } from './documents.ts';

/** Texts of the page. Pure. */

type Progress = NonNullable<Recipient['progress']>;

/** How far something is, from 0 to 1; undefined while that cannot be told. */
export function fractionOf(progress: Progress | null): number | undefined {
  if (progress === null || progress.bytesTotal + progress.filesTotal === 0) return undefined;
  const { bytesDone, bytesTotal, filesDone, filesTotal } = progress;
  return bytesTotal > 0 ? Math.min(1, bytesDone / bytesTotal) : filesDone / filesTotal;
}

/** What a job sends or fetches: `a.txt, photos and 3 more`. */
export function jobWords({ kind, paths, as, into, shared }: Job): string {
  if (kind === 'get') return shared ?? '';
  if (shared !== null) return shared;
  const names = paths.map((path) => (path === '-' ? 'standard input' : nameOf(path)));
  const more = names.length > 2 ? ` and ${names.length - 2} more` : '';
  const shown = as ?? `${names.slice(0, 2).join(', ')}${more}`;
  return into === null ? shown : `${shown} into ${into}/`;
}

/** Who gets it, or from whom it comes. */
export function partiesOf(job: Job): string {
  const names = job.recipients.map(({ name }) => name);
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  const shown = `${names.slice(0, 3).join(', ')}${more}`;
  return job.kind === 'get' ? `from ${shown}` : job.kind === 'pull' ? `fetched by ${shown}` : `to ${shown}`;
}

/** The last part of a path of this machine. */
function nameOf(path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  return parts.at(-1) ?? path;
}

/** The path above it. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.length - nameOf(path).length - 1)) || '/';
}

export type Light = 'good' | 'warn' | 'bad' | 'idle';

export function lightOf(state: Job['state'] | Recipient['state']): Light {
  switch (state) {
    case 'done':
    case 'delivered':
    case 'running':
      return 'good';
    case 'failed':
    case 'damaged':
      return 'bad';
    case 'interrupted':
    case 'paused':
      return 'warn';
    default:
      return 'idle';
  }
}

/** Names of groups, each with how many others are in it. */
export function groupsOf(peers: readonly Peer[]): { readonly name: string; readonly members: number }[] {
  const counts = new Map<string, number>();
  for (const { groups, self } of peers)
    if (self !== true) for (const group of groups) counts.set(group, (counts.get(group) ?? 0) + 1);
  return [...counts]
    .map(([name, members]) => ({ name, members }))
    .toSorted((a, b) => a.name.localeCompare(b.name));
}

export function filesWords(files: number): string {
  return files === 1 ? '1 file' : `${files.toLocaleString('en-US')} files`;
}

/** Why there is no connection with the ip-server, or that there is one. */
export function serverWords({ server }: Doc<'status'>): string {
  if (server.connected) return `connected to the ip-server`;
  return server.problem === null ? 'not connected to the ip-server yet' : server.problem.message;
}
