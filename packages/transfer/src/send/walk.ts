import { lstatSync, opendirSync, type BigIntStats, type Dir } from 'node:fs';
import { basename } from 'node:path';
import { FilerError, MAX_PATH_CHARS } from '@filer/protocol';
import { checkLinkTarget, readLinkTarget } from '../disk/link-target.ts';
import { versionOf } from '../digests/known-digests.ts';
import { requireNotOwn } from '../disk/own-files.ts';
import {
  atSource,
  factsOf,
  fileSource,
  inspectSource,
  sourceChanged,
  sourceError,
  type Source,
  type SourceFile,
} from './source.ts';
import type { SharedFolder } from './shared-folder.ts';

export interface WalkOptions {
  /** Something that cannot be sent, and why; the walk goes on. */
  readonly failed: (failure: { file: string; name: string; error: FilerError }) => void;
  /**
   * Whether something inside a folder stays here; what lies in an ignored folder is not looked at.
   *
   * @param top the folder that a person named
   * @param path relative to it
   * @default nothing
   */
  readonly ignored?: ((top: string, path: string, isFolder: boolean) => boolean) | undefined;
  /**
   * Whether a folder is only looked into: of what lies in it, each is for itself.
   *
   * @param file where it lies
   * @default each folder is sent
   */
  readonly onlyEntered?: ((file: string) => boolean) | undefined;
}

/** Names that are read from a folder at once. */
const NAMES_AT_ONCE = 256;

/**
 * What is to be sent, one after the other while it is found, a folder before what lies in it. Flat in memory. A
 * link that a person named is followed; links inside a folder are sent as links.
 */
export async function* walkSources(
  files: Iterable<SourceFile>,
  options: WalkOptions,
): AsyncGenerator<Source, void> {
  for (const wanted of files) {
    let top: Source;
    try {
      top = isBelow(wanted) ? inspectAlone(wanted) : await inspectSource(wanted);
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

/** Found in a folder that a person named, not named itself. */
function isBelow({ alone, name }: SourceFile): boolean {
  return alone !== undefined && name?.includes('/') === true;
}

/** @throws FilerError as `inspectSource`, and `source-changed` */
function inspectAlone({ file, name = basename(file), shared, alone }: SourceFile): Source {
  let found: BigIntStats;
  try {
    found = atSource({ file, shared }, (path) => lstatSync(path, { bigint: true }));
  } catch (error) {
    throw itemError(file, error);
  }
  const source = sourceOf(file, name, found, shared);
  if (source.kind !== 'file' || alone?.version === undefined) return source;
  if (versionOf(source.identity) !== alone.version) throw sourceChanged(file);
  return { ...source, fixed: true };
}

interface Level {
  readonly source: Source;
  readonly dir: Dir;
}

function* walkFolder(top: Source, { failed, ignored, onlyEntered }: WalkOptions): Generator<Source, void> {
  const levels: Level[] = [];
  const enter = (source: Source): void => {
    try {
      levels.push({ source, dir: openFolder(source) });
    } catch (error) {
      failed({ file: source.file, name: source.name, error: sourceError(source.file, error) });
    }
  };
  enter(top);
  try {
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const { source: above, dir } = level;
      const item = nextOf(level, failed);
      if (item === undefined) {
        dir.closeSync();
        levels.pop();
        continue;
      }
      const [file, name] = [`${above.file}/${item}`, `${above.name}/${item}`];
      try {
        const found = atSource({ file, shared: top.shared }, (path) => lstatSync(path, { bigint: true }));
        if (ignored?.(top.file, name.slice(top.name.length + 1), found.isDirectory()) === true) continue;
        const source = sourceOf(file, name, found, top.shared);
        if (source.kind !== 'dir' || onlyEntered?.(file) !== true) yield source;
        if (source.kind === 'dir') enter(source);
      } catch (error) {
        failed({ file, name, error: itemError(file, error) });
      }
    }
  } finally {
    for (const { dir } of levels) dir.closeSync();
  }
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

/** @throws FilerError `path-unsupported`, `name-refused`, `refused`; a system error */
function sourceOf(file: string, name: string, found: BigIntStats, shared: SharedFolder | undefined): Source {
  requireNotOwn(file, found);
  if (name.length > MAX_PATH_CHARS)
    throw new FilerError(
      'name-refused',
      `${JSON.stringify(basename(name).toWellFormed())} is too deep: a path of ${name.length} characters cannot be sent, the limit is ${MAX_PATH_CHARS}`,
    );
  const about = { file, name, inTree: true, ...(shared === undefined ? {} : { shared }) };
  if (found.isFile()) return fileSource(about, found);
  const common = { ...about, ...factsOf(found) };
  if (found.isDirectory()) return { ...common, kind: 'dir', size: 0 };
  if (found.isSymbolicLink()) {
    const target = atSource({ file, shared }, (path) => readLinkTarget(path, file));
    checkLinkTarget(name.split('/'), target);
    return { ...common, kind: 'link', size: 0, target };
  }
  throw new FilerError(
    'path-unsupported',
    `${JSON.stringify(file)} is neither a file, a folder nor a link: it stays here`,
  );
}
