import { resolve } from 'node:path';
import { printable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { WatchAddArguments } from '../arguments.ts';
import { showJob } from '../files/job-following.ts';
import { linksOf } from '../files/links.ts';

export async function run(args: WatchAddArguments, context: Context): Promise<number> {
  const { output } = context;
  const { folder, as, moveTo, note = '', into = '', copyLinks, skipLinks, delete: mirror, ...rest } = args;
  const { dryRun, ...options } = rest;
  const params = {
    ...options,
    folder: resolve(folder),
    note,
    into,
    links: linksOf({ copyLinks, skipLinks }),
    mirror,
    ...(as === undefined ? {} : { name: as }),
    ...(moveTo === undefined ? {} : { moveTo: resolve(moveTo) }),
  };
  if (dryRun)
    return await showJob(context, 'none', (tell) => call(context, contract.watchPreview, params, tell));
  const { isThere, ...watch } = await call(context, contract.watchAdd, params);
  output.json(watch);
  const [name, place] = [printable(watch.name), printable(output.path(watch.folder))];
  output.line(`${name}: ${place} is watched for ${watch.to.map(printable).join(', ')}`);
  if (!isThere) output.words(`${place} does not exist yet: it is watched when it is created`);
  if (watch.state === 'stopped') output.hint('Start watching:  filer-client start');
  else output.hint('See its state:  filer-client watch list');
  return 0;
}
