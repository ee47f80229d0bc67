import { opendirSync, statSync, type Dir } from 'node:fs';
import { basename } from 'node:path';
import { FilerError, MAX_PATH_CHARS } from '@filer/protocol';
import { versionOf } from '../digests/known-digests.ts';
import { requireNotOwn } from '../disk/own-files.ts';
import {
  folderKey,
  lookInside,
  loop,
  targetOf,
  type FoundInside,
  type LinkLeftOut,
  type Links,
} from './links.ts';
import {
  factsOf,
  fileSource,
  inspectSource,
  sourceChanged,
  sourceError,
  type Source,
  type SourceFile,
} from './source.ts';

export interface WalkOptions {
  /** Something that cannot be sent, and why; the walk continues. */
  readonly failed: (failure: { file: string; name: string; error: FilerError }) => void;
  /**
   * Whether something inside a folder stays here; what is in an ignored folder is not looked at.
   *
   * @param top the folder that a person named
   * @param path relative to it
   * @default nothing
   */
  readonly ignored?: ((top: string, path: string, isFolder: boolean) => boolean) | undefined;
  /**
   * Whether a folder is only looked into: of what is in it, each is for itself.
   *
   * @param file where it is
   * @default each folder is sent
   */
  readonly onlyEntered?: ((file: string) => boolean) | undefined;
  /** What to do with links inside folders. @default keep */
  readonly links?: Links | undefined;
  /** A link inside a folder stays here; the walk continues. @default one that cannot go is told to `failed` */
  readonly leftOut?: ((link: LinkLeftOut) => void) | undefined;
}

/** Names that are read from a folder at once. */
const NAMES_AT_ONCE = 256;

/**
 * What is to be sent, one after the other while it is found, a folder before what is in it. Flat in memory. A
 * link that a person named is followed; links inside a folder are sent as links.
 */
export async function* walkSources(
  files: Iterable<SourceFile>,
  options: WalkOptions,
): AsyncGenerator<Source, void> {
  for (const wanted of files) {
    let top: Source;
    try {
      const below = wanted.alone?.below;
      top = below === undefined ? await inspectSource(wanted) : inspectAlone(wanted, below, options.links);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      options.failed({ file: wanted.file, name: wanted.name ?? wanted.file, error });
      continue;
    }
    const isFolder = top.kind === 'dir';
    if (!isFolder || options.onlyEntered?.(top.file) !== true) yield top;
    if (isFolder && wanted.alone === undefined) yield* walkFolder(top, options);
  }
}

/**
 * Of something in a folder that a person named, not named itself.
 *
 * @throws FilerError as `inspectSource`, `name-refused` and `source-changed`
 */
function inspectAlone(
  { file, name = basename(file), shared, alone }: SourceFile,
  below: string,
  links: Links = 'keep',
): Source {
  const about = { file, name, ...(shared === undefined ? {} : { shared }) };
  let found: FoundInside | FilerError;
  try {
    found = lookInside(about, links);
  } catch (error) {
    throw itemError(file, error);
  }
  if (found instanceof FilerError) throw found;
  // The folder itself, and what is on the way to this: what the receiver is to put the folder below is no part of what is sent.
  const components = name.split('/').slice(-1 - below.split('/').length);
  const source = sourceOf(about, found, components);
  if (source instanceof FilerError) throw source;
  if (source.kind !== 'file' || alone?.version === undefined) return source;
  if (versionOf(source.identity) !== alone.version) throw sourceChanged(file);
  return { ...source, fixed: true };
}

interface Level {
  readonly source: Source;
  readonly dir: Dir;
  /** Of a folder that links could lead back to. */
  readonly key: string;
}

function* walkFolder(top: Source, options: WalkOptions): Generator<Source, void> {
  const { failed, ignored, onlyEntered, links = 'keep' } = options;
  const { leftOut = ({ error, ...link }) => (error === undefined ? undefined : failed({ ...link, error })) } =
    options;
  const levels: Level[] = [];
  const enter = (source: Source, key: string): void => {
    try {
      levels.push({ source, dir: openFolder(source), key });
    } catch (error) {
      failed({ file: source.file, name: source.name, error: sourceError(source.file, error) });
    }
  };
  enter(top, links === 'copy' ? keyOf(top) : '');
  // What the receiver is to put it below is no part of what is sent.
  const above = top.name.split('/').length - 1;
  try {
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const item = nextOf(level, failed);
      if (item === undefined) {
        level.dir.closeSync();
        levels.pop();
        continue;
      }
      const [file, name] = [`${level.source.file}/${item}`, `${level.source.name}/${item}`];
      const about = { file, name, ...(top.shared === undefined ? {} : { shared: top.shared }) };
      try {
        const found = lookInside(about, links);
        const isFolder = 'stats' in found && found.stats.isDirectory();
        if (ignored?.(top.file, name.slice(top.name.length + 1), isFolder) === true) continue;
        if (found instanceof FilerError) throw found;
        if (links === 'skip' && found.stats.isSymbolicLink()) {
          leftOut({ file, name, error: undefined });
          continue;
        }
        const key = links === 'copy' && isFolder ? folderKey(found.stats) : '';
        if (found.linked && levels.some((each) => each.key === key)) throw loop(file);
        const source = sourceOf(about, found, name.split('/').slice(above));
        if (source instanceof FilerError && links === 'require') throw source;
        if (source instanceof FilerError) leftOut({ file, name, error: source });
        else if (source.kind !== 'dir' || onlyEntered?.(file) !== true) yield source;
        if (!(source instanceof FilerError) && source.kind === 'dir') enter(source, key);
      } catch (error) {
        failed({ file, name, error: itemError(file, error) });
      }
    }
  } finally {
    for (const { dir } of levels) dir.closeSync();
  }
}

/** Of a folder that a person named, which may be gone by now. */
function keyOf({ file }: Source): string {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? '' : folderKey(stats);
}

function openFolder({ file, shared }: Source): Dir {
  const open = (path: string): Dir => opendirSync(path, { bufferSize: NAMES_AT_ONCE });
  return shared === undefined ? open(file) : shared.inside(file, open);
}

function nextOf({ source, dir }: Level, failed: WalkOptions['failed']): string | undefined {
  try {
    return dir.readSync()?.name;
  } catch (error) {
    failed({ file: source.file, name: source.name, error: sourceError(source.file, error) });
    return undefined;
  }
}

function itemError(file: string, cause: unknown): FilerError {
  const error = sourceError(file, cause);
  // What stands for bytes that are no UTF-8: under the name as it was read there is nothing.
  if (error.code !== 'path-missing' || !file.includes('\ufffd')) return error;
  const what = JSON.stringify(file);
  return new FilerError('path-unsupported', `the name of ${what} is not UTF-8: rename it`, { cause });
}

/**
 * @param components of its path, from the folder that is sent on
 * @returns why it stays here, for a link that cannot go as one
 * @throws FilerError `path-unsupported`, `name-refused`, `refused`; a system error
 */
function sourceOf(
  about: SourceFile & { readonly name: string },
  { stats, linked }: FoundInside,
  components: readonly string[],
): Source | FilerError {
  const { file, name } = about;
  requireNotOwn(file, stats);
  if (name.length > MAX_PATH_CHARS)
    throw new FilerError(
      'name-refused',
      `${JSON.stringify(basename(name).toWellFormed())} is too deep: a path of ${name.length} characters cannot be sent, the limit is ${MAX_PATH_CHARS}`,
    );
  const common = { ...about, inTree: true, ...(linked ? { linked } : {}) };
  if (stats.isFile()) return fileSource(common, stats);
  if (stats.isDirectory()) return { ...common, ...factsOf(stats), kind: 'dir', size: 0 };
  if (stats.isSymbolicLink()) {
    const target = targetOf(about, components);
    if (target instanceof FilerError) return target;
    return { ...common, ...factsOf(stats), kind: 'link', size: 0, target };
  }
  throw new FilerError(
    'path-unsupported',
    `${JSON.stringify(file)} is neither a file, a folder nor a link: it stays here`,
  );
}
