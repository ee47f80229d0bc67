import { resolve } from 'node:path';
import type { Context } from '@filer/program';
import type { GetArguments } from '../arguments.ts';
import { fetchAndShow } from './fetch-and-show.ts';
import { isPattern, sourcesOf } from './shared-patterns.ts';

export async function run(args: GetArguments, context: Context): Promise<number> {
  if (args.dest === '-') {
    const { getToStdout } = await import('./get-to-stdout.ts');
    return await getToStdout(args, context);
  }
  const request = {
    dest: resolve(args.dest ?? '.'),
    timeoutMs: args.timeoutMs,
    onConflict: args.onConflict,
    exclude: args.exclude,
    checksum: args.checksum,
    dryRun: args.dryRun,
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
