import { createHash } from 'node:crypto';
import { FilerError } from '@filer/protocol';
import { bytesIn, integerIn, textIn, type Row } from '@filer/program';
import {
  COPYING_VALUE,
  NEWEST_VALUE,
  SEQ_VALUE,
  type Cell,
  type StoreContents,
  type Table,
} from './contents.ts';
import type { Store } from './interfaces.ts';

/** Rows in memory at once: some of them have up to 64 KiB. */
const PAGE_ROWS = 200;

/** How far a copy is. */
export interface CopyProgress {
  readonly phase: 'copying' | 'checking';
  /** Of all rows so far. */
  readonly bytes: number;
  /** What all of them take, roughly. */
  readonly ofBytes: number;
  readonly isDone: boolean;
}

export interface CopiedTable {
  readonly name: string;
  readonly rows: number;
  /** SHA-256 of its rows in the order of their key, the same for every engine; hex. */
  readonly digest: string;
}

export interface CopyOptions {
  readonly onProgress: (progress: CopyProgress) => void;
  readonly signal: AbortSignal;
}

/** Called with the bytes of each page. */
type Meter = (bytes: number) => void;

interface Pair extends Pick<CopyOptions, 'signal'> {
  readonly source: StoreContents;
  readonly target: StoreContents;
  /** As both stores have them, those first that others refer to. */
  readonly tables: readonly Table[];
}

/**
 * Makes a store hold what another one holds. One that was interrupted continues where it ended, or starts again when its source
 * has changed since; until all is there and has been compared, the target is marked, and no server opens it.
 *
 * @throws FilerError `verification-failed` when the source changes meanwhile, of either store
 */
export async function copyContents(from: Store, to: Store, options: CopyOptions): Promise<CopiedTable[]> {
  const { contents: source } = from;
  const { contents: target } = to;
  if (source === undefined || target === undefined) throw new Error('both stores hold rows');
  const { signal, onProgress } = options;
  const pair = { signal, source, target, tables: await commonTables(source, target) };
  const ofBytes = await from.bytes();
  const metered = async <T>(phase: CopyProgress['phase'], work: (add: Meter) => Promise<T>): Promise<T> => {
    let bytes = 0;
    const tell = (isDone: boolean): void => onProgress({ phase, bytes, ofBytes, isDone });
    const result = await work((more) => {
      bytes += more;
      tell(false);
    });
    tell(true);
    return result;
  };
  const { epoch } = from.registry;
  let isContinued = (await target.values()).get(COPYING_VALUE) === epoch;
  for (; ; isContinued = false) {
    if (!isContinued) {
      await target.setValues(new Map([[COPYING_VALUE, epoch]]));
      await target.clear();
    }
    await metered('copying', (add) => copyTables(pair, add));
    await target.setValues(await source.values());
    const copied = await metered('checking', (add) => compared(pair, add));
    if (copied !== undefined) {
      await target.dropValue(COPYING_VALUE);
      return copied;
    }
    if (!isContinued) throw changed();
  }
}

/** Tables that one engine needs for itself alone are left out. */
async function commonTables(source: StoreContents, target: StoreContents): Promise<Table[]> {
  const names = new Set((await target.tables()).map(({ name }) => name));
  const waiting = (await source.tables()).filter(({ name }) => names.has(name));
  const ordered: Table[] = [];
  while (waiting.length > 0) {
    const isReady = ({ name, parents }: Table): boolean =>
      parents.every((parent) => parent === name || !waiting.some((each) => each.name === parent));
    const at = waiting.findIndex(isReady);
    if (at < 0) throw new Error('tables refer to each other in a circle');
    ordered.push(...waiting.splice(at, 1));
  }
  return ordered;
}

async function copyTables({ source, target, tables, signal }: Pair, add: Meter): Promise<void> {
  for (const table of tables) {
    const last = await target.last(table);
    for await (const page of pagesOf(source, table, last === undefined ? undefined : keyOf(table, last))) {
      signal.throwIfAborted();
      await target.add(table, page);
      add(page.reduce((sum, row) => sum + packed(table, row).length, 0));
    }
  }
}

/** @returns undefined when they differ */
async function compared(
  { source, target, tables, signal }: Pair,
  add: Meter,
): Promise<CopiedTable[] | undefined> {
  const copied: CopiedTable[] = [];
  for (const table of tables) {
    const there = await digestOf(source, table, () => signal.throwIfAborted());
    const here = await digestOf(target, table, (bytes) => {
      signal.throwIfAborted();
      add(bytes);
    });
    if (there.rows !== here.rows || there.digest !== here.digest) return undefined;
    copied.push(here);
  }
  return isSameValues(await source.values(), await target.values()) ? copied : undefined;
}

/** Numbers of rows may be further on where a store keeps them: it gives none twice. */
function isSameValues(source: ReadonlyMap<string, string>, target: ReadonlyMap<string, string>): boolean {
  return [...source].every(([name, value]) => {
    const here = target.get(name);
    if (!name.startsWith(NEWEST_VALUE)) return here === value;
    return here === undefined || Number(here) >= Number(value);
  });
}

async function digestOf(contents: StoreContents, table: Table, add: Meter): Promise<CopiedTable> {
  const hash = createHash('sha256');
  let rows = 0;
  for await (const page of pagesOf(contents, table, undefined)) {
    const bytes = Buffer.concat(page.map((row) => packed(table, row)));
    hash.update(bytes);
    rows += page.length;
    add(bytes.length);
  }
  return { name: table.name, rows, digest: hash.digest('hex') };
}

async function* pagesOf(
  contents: StoreContents,
  table: Table,
  start: readonly Cell[] | undefined,
): AsyncGenerator<readonly Row[], void, void> {
  for (let after = start; ;) {
    const page = await contents.page(table, after, PAGE_ROWS);
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    after = keyOf(table, last);
  }
}

function keyOf({ columns, key }: Table, row: Row): Cell[] {
  return key.map((name) => {
    const isNumber = columns.some((column) => column.name === name && column.kind === 'integer');
    return isNumber ? integerIn(row, name) : textIn(row, name);
  });
}

/**
 * A row as bytes, column after column in the order of their names: its length and a comma, then the value; `-` for none. PostgreSQL
 * has no NUL in a text and keeps U+FFFD for it.
 */
function packed({ columns }: Table, row: Row): Buffer {
  const names = columns.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return Buffer.concat(
    names.flatMap(({ name, kind }) => {
      if (row[name] === null) return [Buffer.from('-')];
      const value =
        kind === 'bytes'
          ? bytesIn(row, name)
          : Buffer.from(
              kind === 'integer'
                ? String(integerIn(row, name))
                : textIn(row, name).replaceAll('\0', '\uFFFD'),
            );
      return [Buffer.from(`${value.length},`), value];
    }),
  );
}

/** Whether a store may become a copy of another one: it is empty, a part of that copy, or an older copy of the same network. */
export async function refuseOtherTarget(from: Store, to: Store): Promise<void> {
  const [source, target] = [await from.registry.founding(), await to.registry.founding()];
  const where = to.at.database;
  const values = await to.contents?.values();
  const mark = values?.get(COPYING_VALUE);
  if (mark === from.registry.epoch || (target === undefined && mark === undefined)) return;
  const other = 'empty it, or name another one with --to';
  if (target === undefined || mark !== undefined)
    throw new FilerError('refused', `${where} holds a part of the copy of another network: ${other}`);
  if (target.network !== source?.network)
    throw new FilerError('refused', `${where} holds another network (${target.network}): ${other}`);
  const known = await from.contents?.values();
  const isNewer = [SEQ_VALUE, `${NEWEST_VALUE}reports`].some(
    (name) => Number(values?.get(name) ?? 0) > Number(known?.get(name) ?? 0),
  );
  if (isNewer || to.registry.epoch !== from.registry.epoch)
    throw new FilerError(
      'refused',
      `${where} holds this network in a state that --from does not have, and would lose it: ${other}`,
    );
}

function changed(): FilerError {
  return new FilerError(
    'verification-failed',
    'the copy is not what --from holds, which has changed meanwhile: stop all that uses it, and run the same command again',
  );
}
