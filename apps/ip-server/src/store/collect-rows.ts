import { fieldsOf, isErrorCode, listOf, textOf } from '@filer/protocol';
import { integerIn, optionalIntegerIn, storedJson, textIn, wordIn, type Row } from '@filer/program';
import {
  DELIVERY_STATES,
  type Begun,
  type Collect,
  type CollectRun,
  type Delivery,
  type FileFailure,
} from './collect-store.ts';

export function collectOf(row: Row): Collect {
  const kind = textIn(row, 'timetable_kind') === 'cron' ? 'cron' : 'every';
  return {
    name: textIn(row, 'name'),
    sources: textsOf(row, 'sources'),
    paths: textsOf(row, 'paths'),
    timetable: { kind, text: textIn(row, 'timetable') },
    folder: textIn(row, 'folder'),
    graceMs: integerIn(row, 'grace_ms'),
    createdAt: integerIn(row, 'created_at'),
    nextAt: optionalIntegerIn(row, 'next_at'),
  };
}

/** For `COLLECT_STATEMENTS.add`. */
export function valuesOfCollect(collect: Collect): (string | number | null)[] {
  const { name, sources, paths, timetable, folder, graceMs, createdAt, nextAt } = collect;
  const what = [JSON.stringify(sources), JSON.stringify(paths), timetable.kind, timetable.text];
  return [name, ...what, folder, graceMs, createdAt, nextAt ?? null];
}

export function runOf(row: Row): CollectRun {
  return {
    number: integerIn(row, 'number'),
    id: textIn(row, 'id'),
    collect: textIn(row, 'collect'),
    label: textIn(row, 'label'),
    dueAt: optionalIntegerIn(row, 'due_at'),
    startedAt: integerIn(row, 'started_at'),
    isLate: integerIn(row, 'is_late') === 1,
  };
}

/** @param row of `COLLECT_STATEMENTS.begin` */
export function begunOf(row: Row | undefined): CollectRun {
  if (row === undefined) throw new Error('a run that was begun has a row');
  return runOf(row);
}

export function deliveryOf(row: Row): Delivery {
  const code = row['code'];
  return {
    peer: textIn(row, 'peer'),
    name: textIn(row, 'name'),
    folder: textIn(row, 'folder'),
    state: wordIn(row, 'state', DELIVERY_STATES),
    late: integerIn(row, 'late') === 1,
    askedAt: optionalIntegerIn(row, 'asked_at'),
    deliveredAt: optionalIntegerIn(row, 'delivered_at'),
    files: integerIn(row, 'files'),
    bytes: integerIn(row, 'bytes'),
    filesFailed: integerIn(row, 'files_failed'),
    failures: storedJson(textIn(row, 'failures'), 'failures', (value) =>
      listOf(value, 'failures', Number.POSITIVE_INFINITY, failureOf),
    ),
    code: typeof code === 'string' && isErrorCode(code) ? code : undefined,
    reason: row['reason'] === null ? undefined : textIn(row, 'reason'),
    tries: integerIn(row, 'tries'),
    elsewhere: row['elsewhere'] === true,
  };
}

export function begunDeliveryOf(row: Row): Begun {
  return {
    id: textIn(row, 'id'),
    label: textIn(row, 'label'),
    peer: textIn(row, 'peer'),
    folder: textIn(row, 'folder'),
    elsewhere: row['elsewhere'] === true,
  };
}

/** For `COLLECT_STATEMENTS.changeDelivery`. */
export function valuesOfDelivery(run: number, delivery: Delivery): (string | number | null)[] {
  const { peer, state, late, askedAt = null, deliveredAt = null, files, bytes } = delivery;
  const { filesFailed, failures, code = null, reason = null, tries } = delivery;
  const delivered = [askedAt, deliveredAt, files, bytes];
  return [
    run,
    peer,
    state,
    Number(late),
    ...delivered,
    filesFailed,
    JSON.stringify(failures),
    code,
    reason,
    tries,
  ];
}

function failureOf(value: unknown, what: string): FileFailure {
  const fields = fieldsOf(value, what);
  const field = (key: string): string => textOf(fields[key], key, { max: Number.POSITIVE_INFINITY });
  return { name: field('name'), code: field('code'), message: field('message') };
}

function textsOf(row: Row, column: string): string[] {
  return storedJson(textIn(row, column), column, (value) =>
    listOf(value, column, Number.POSITIVE_INFINITY, textOf),
  );
}
