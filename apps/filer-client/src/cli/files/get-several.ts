import { stat } from 'node:fs/promises';
import { EXIT_CODES, FilerError } from '@filer/protocol';
import { formatBytes, type Context, type ProgressMode } from '@filer/program';
import { sumOf } from '../../api/contract/counts.ts';
import type { GetDone, GetParams } from '../../api/contract/get.ts';
import { parseSharedPath } from '../../get/peer-path.ts';
import { countOf, fetchAndShow } from './fetch-and-show.ts';

/** How the fetch of one source ended. */
interface Part {
  readonly source: string;
  readonly done: GetDone | undefined;
  readonly failure: FilerError | undefined;
}

/**
 * Fetches several things into one folder, one after the other: each is a job of its own, and one that fails costs none of the
 * others.
 *
 * @param typed what was asked for, patterns too
 * @param sources what these mean
 * @returns the exit code
 * @throws FilerError `path-missing` without a folder to fetch into, before the first is fetched
 */
export async function getSeveral(
  typed: readonly string[],
  sources: readonly string[],
  request: Omit<GetParams, 'source'>,
  mode: ProgressMode | undefined,
  context: Context,
): Promise<number> {
  requireOwnNames(sources);
  await requireFolder(request.dest);
  const parts: Part[] = [];
  for (const source of sources) {
    try {
      const done = await fetchAndShow({ ...request, source, into: true }, mode, context, 'part');
      parts.push({ source, done, failure: undefined });
    } catch (error) {
      if (context.signal.aborted || !(error instanceof FilerError)) throw error;
      context.output.warn(error.message);
      const { code, message: status } = error;
      context.output.json({ type: 'fetched', source, ok: false, exitCode: EXIT_CODES[code], code, status });
      parts.push({ source, done: undefined, failure: error });
    }
  }
  return summarizeAll(parts, typed.length, request, context);
}

/** Otherwise each of them would fail for the same reason. */
async function requireFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  const what = JSON.stringify(path);
  if (found === undefined)
    throw new FilerError('path-missing', `there is no folder ${what} for what is fetched: make it first`);
  throw new FilerError('path-unsupported', `${what} is no folder: nothing can go into it`);
}

/** Two of one name would have one place. @throws FilerError `usage` */
function requireOwnNames(sources: readonly string[]): void {
  const known = new Map<string, string>();
  for (const source of sources) {
    const { name } = parseSharedPath(source);
    const other = known.get(name);
    if (other !== undefined)
      throw new FilerError(
        'usage',
        `${other} and ${source} are both called ${JSON.stringify(name)}: fetch one of them by itself, under another name`,
      );
    known.set(name, source);
  }
}

function summarizeAll(
  parts: readonly Part[],
  typed: number,
  { dest: path, dryRun = false }: Omit<GetParams, 'source'>,
  { output }: Context,
): number {
  const counts = sumOf(parts.flatMap(({ done }) => done ?? []));
  const { filesSent, filesSkipped, filesFailed, bytesTotal } = counts;
  const failed = parts.filter(({ done }) => done?.ok !== true);
  const [first] = failed;
  const isPartial = failed.length < parts.length || filesSent + filesSkipped > 0;
  const exitCode =
    first === undefined ? 0 : isPartial ? EXIT_CODES.partial : (first.done?.exitCode ?? codeOf(first));
  const filesTotal = parts.reduce((sum, { done }) => sum + (done?.filesTotal ?? 0), 0);
  output.json({
    type: 'done',
    job: parts[0]?.done?.job ?? '',
    ok: exitCode === 0,
    exitCode,
    ...counts,
    ...(dryRun ? { dryRun, filesTotal } : {}),
    path,
    sources: parts.map(({ source, done, failure }) => ({
      source,
      job: done?.job ?? null,
      ok: done?.ok === true,
      code: failure?.code ?? done?.recipients[0].code ?? null,
      path: done?.path ?? null,
    })),
  });
  if (parts.length === 1 && first !== undefined) return exitCode; // why it failed was told
  // A pattern is one source, and may fit several things.
  const what = parts.length === typed ? 'sources' : 'matches';
  const failures = failed.length === 0 ? '' : `; ${failed.length} of ${parts.length} ${what} failed`;
  const notFetched = filesFailed === 0 ? '' : `, ${countOf(filesFailed)} failed`;
  const from = typed === 1 ? '1 source' : `${typed} sources`;
  output.words(
    dryRun
      ? `${countOf(filesTotal)} of ${formatBytes(bytesTotal)} would come from ${from}: nothing was fetched${failures}`
      : `${countOf(filesSent)} fetched from ${from}, ${filesSkipped} here already${notFetched}${failures}`,
  );
  return exitCode;
}

function codeOf({ failure }: Part): number {
  return EXIT_CODES[failure?.code ?? 'internal'];
}
