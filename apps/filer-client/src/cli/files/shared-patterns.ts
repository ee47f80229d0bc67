import { FilerError, Glob } from '@filer/protocol';
import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { LsItem } from '../../api/contract/get.ts';
import { call } from '../../api/daemon-client.ts';
import { parseSharedPath } from '../../get/peer-path.ts';

/** Each is fetched over a connection of its own. */
const MAX_MATCHES = 1_000;

const WILD = /[*?[]/;

export function isPattern(source: string): boolean {
  return WILD.test(source);
}

/**
 * What a pattern such as `bob:docs/*.pdf` means now: files and folders, sorted. One that fits nothing means itself, as in a
 * shell.
 *
 * @throws FilerError `usage`, what `ls` throws
 */
export async function sourcesOf(source: string, context: Context): Promise<string[]> {
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
