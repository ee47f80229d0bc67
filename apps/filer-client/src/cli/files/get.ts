import { resolve } from 'node:path';
import {
  defaulted,
  DURATION,
  flag,
  list,
  optional,
  progressArgument,
  RATE,
  textKind,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import type { SourceRequest } from './get-to-stdout.ts';
import { fetchAndShow } from './fetch-and-show.ts';
import { withTrailingDestination } from './trailing-destination.ts';
import { onConflict, PATH, wayArguments } from '../arguments.ts';
import { FilerError, Glob } from '@filer/protocol';
import { contract } from '../../api/contract.ts';
import type { LsItem } from '../../api/contract/get.ts';
import { call } from '../../api/daemon-client.ts';
import { waysOf } from '../../jobs/send-request.ts';
import { parseSharedPath } from '../../get/peer-path.ts';

const SHARED_PATH = textKind('PEER:SHARE/path such as bob:docs/plan.pdf', { completes: 'shared' });

export const args = {
  sources: list(SHARED_PATH, 'what to fetch: PEER:SHARE/path, or a pattern such as "bob:docs/*.pdf"', {
    required: true,
  }),
  dest: optional(
    PATH,
    'destination: a folder, an unused name, or - for standard output (default: this folder)',
  ),
  onConflict,
  exclude: list(textKind('a pattern such as *.log'), 'do not fetch files that match, as in a .gitignore'),
  checksum: flag('compare contents by reading them, without the remembered digests'),
  limit: optional(RATE, 'limit the rate, for example 20MB/s'),
  ...wayArguments,
  dryRun: flag('show what would be fetched, and fetch nothing', { alias: 'n' }),
  timeoutMs: defaulted(DURATION, '1m', 'how long to retry when the connection to the peer was lost'),
  progress: progressArgument,
};
type GetArguments = ArgumentValues<typeof args>;

export const expand = withTrailingDestination;

export const examples = [
  'get bob:docs/plan.pdf',
  'get bob:docs ~/from-bob',
  'get bob:docs/a.pdf carol:scans/b.pdf ~/papers',
  'get "bob:docs/*.pdf" ~/papers --dry-run',
  'get bob:builds --exclude "*.tmp"',
  'get bob:docs/all.tar - | tar x',
];

export async function run(args: GetArguments, context: Context): Promise<number> {
  if (args.dest === '-') {
    const { getToStdout } = await import('./get-to-stdout.ts');
    return await getToStdout(oneSource(args, context.output.jsonMode), args.progress, context);
  }
  const request = {
    dest: resolve(args.dest ?? '.'),
    timeoutMs: args.timeoutMs,
    onConflict: args.onConflict,
    exclude: args.exclude,
    checksum: args.checksum,
    dryRun: args.dryRun,
    directOnly: args.directOnly,
    relayOnly: args.relayOnly,
    ...(args.limit === undefined ? {} : { limit: args.limit }),
  };
  const [source = ''] = args.sources;
  if (args.sources.length === 1 && !isPattern(source))
    return (await fetchAndShow({ ...request, source }, args.progress, context)).exitCode;
  const sources = new Set<string>();
  for (const each of args.sources) for (const meant of await sourcesOf(each, context)) sources.add(meant);
  const { getSeveral } = await import('./get-several.ts');
  return await getSeveral(args.sources, [...sources], request, args.progress, context);
}

/** What goes to standard output: the bytes of one file, and nothing else. @throws FilerError `usage` */
function oneSource(
  { sources, timeoutMs, checksum, limit, ...others }: GetArguments,
  jsonMode: boolean,
): SourceRequest {
  const refuse = (option: string, why: string): never => {
    throw new FilerError('usage', `${option} cannot be combined with -: ${why}`);
  };
  if (jsonMode) refuse('--json', 'standard output carries the file');
  if (others.dryRun) refuse('--dry-run', 'nothing would be written');
  if (others.exclude.length > 0) refuse('--exclude', 'only one file is fetched');
  if (others.onConflict !== 'update') refuse('--on-conflict', 'there is no name to be taken');
  const [source = '', another] = sources;
  if (another !== undefined) throw new FilerError('usage', '- takes one file: fetch several into a folder');
  return { source, timeoutMs, checksum, limit, ways: waysOf(others) };
}

/** Each is fetched over a connection of its own. */
const MAX_MATCHES = 1_000;

const WILD = /[*?[]/;

function isPattern(source: string): boolean {
  return WILD.test(source);
}

/**
 * What a pattern such as `bob:docs/*.pdf` means now: files and folders, sorted. One that fits nothing means itself, as in a
 * shell.
 *
 * @throws FilerError `usage`, what `ls` throws
 */
async function sourcesOf(source: string, context: Context): Promise<string[]> {
  const { peer, path } = parseSharedPath(source);
  if (!WILD.test(path)) return [source];
  const glob = globOf(source, path);
  const components = path.split('/');
  const fixed = components.slice(
    0,
    components.findIndex((component) => WILD.test(component)),
  );
  const found: string[] = [];
  const folders = [fixed.join('/')];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const { name, kind } of await itemsOf(`${peer}:${folder}`, context)) {
      const isFolder = kind === 'dir' || kind === 'share';
      if (!isFolder && kind !== 'file') continue;
      const each = folder === '' ? name : `${folder}/${name}`;
      if (glob.matches(each)) found.push(`${peer}:${each}`);
      else if (isFolder && glob.reaches(each)) folders.push(each);
    }
    if (found.length > MAX_MATCHES)
      throw new FilerError(
        'usage',
        `${JSON.stringify(source)} fits more than ${MAX_MATCHES} files and folders: fetch the folder, with --exclude for what is not wanted`,
      );
  }
  return found.length === 0 ? [source] : found.toSorted();
}

function globOf(source: string, path: string): Glob {
  try {
    return Glob.parse(path);
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    throw new FilerError(
      'usage',
      error.message.replace(
        `${JSON.stringify(path)} is no pattern of a collect`,
        `${JSON.stringify(source)} is no pattern of a get`,
      ),
      { cause: error },
    );
  }
}

async function itemsOf(source: string, context: Context): Promise<LsItem[]> {
  const items: LsItem[] = [];
  await call(context, contract.ls, { source }, (page) => void items.push(...page.items));
  return items;
}
