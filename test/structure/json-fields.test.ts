import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { contract as clientContract } from '../../apps/filer-client/src/api/contract.ts';
import { contract as serverContract } from '../../apps/ip-server/src/api/contract.ts';

const folder = fileURLToPath(new URL('../../docs/cli/', import.meta.url));
const text = readdirSync(folder)
  .filter((name) => name.endsWith('.md'))
  .map((name) => readFileSync(folder + name, 'utf8'))
  .join('\n');

/** What only our own commands and pages are told, and no `--json` prints. */
const INTERNAL: Readonly<Record<string, readonly string[]>> = {
  connections: ['direction'],
  inbox: ['more'],
  messages: ['more'],
  historyJob: ['receipts', 'moreFailures', 'moreReceipts'],
  disconnect: ['closed'],
  send: ['bytes'],
  retry: ['bytes'],
  watchAdd: ['isThere'],
  scheduleAdd: ['daemon'],
  scheduleList: ['daemon'],
  member: ['membership'],
  amend: ['membership'],
  removalNext: ['number'],
  machines: [
    ...['standing', 'stopped', 'seenAt', 'reportedAt', 'overdue', 'freeBytes', 'address'],
    ...['at', 'all', 'removed'],
  ],
  samples: ['times'],
  reportSchedules: ['schedules'],
  reportSeries: ['times', 'series', 'numbers'],
};

type Field = readonly [name: string, schema: Parts];
type Parts = ReadonlyMap<string, unknown>;

function partsOf(schema: unknown): Parts {
  return new Map(typeof schema === 'object' && schema !== null ? Object.entries(schema) : []);
}

/** All fields of a schema, at any depth. */
function fieldsIn(schema: unknown): Field[] {
  const parts = partsOf(schema);
  if (parts.size === 0) return [];
  const entries = [...partsOf(parts.get('entries'))];
  const inner = ['item', 'wrapped', 'options', 'items'].flatMap((name) => [parts.get(name)].flat());
  return [
    ...entries.map(([name, each]): Field => [name, partsOf(each)]),
    ...[...entries.map(([, each]) => each), ...inner].flatMap(fieldsIn),
  ];
}

const fieldsOf = (schema: unknown): string[] => fieldsIn(schema).map(([name]) => name);

/** What JSON it is, in the words of the pages: `string or null`. */
function typesOf(schema: Parts): string[] {
  const type = String(schema.get('type'));
  if (type === 'union' || type === 'variant')
    return [schema.get('options')].flat().flatMap((each) => typesOf(partsOf(each)));
  const wrapped = schema.has('wrapped') ? typesOf(partsOf(schema.get('wrapped'))) : [];
  if (type.startsWith('null')) return [...wrapped, 'null'];
  if (schema.has('wrapped')) return wrapped;
  return [TYPES[type] ?? type];
}

const TYPES: Readonly<Record<string, string>> = {
  picklist: 'string',
  literal: 'string',
  array: 'list',
  tuple: 'list',
  record: 'object',
  strict_object: 'object',
  loose_object: 'object',
};

/** Whether the pages name a field: alone as code, in a shape such as `{"a","b"}`, or as `.a` of something. */
const isNamed = (field: string): boolean => new RegExp(`[\`".]${field}[\`". ([\\]]`).test(text);

const answers = Object.entries({ 'filer-client': clientContract, 'ip-server': serverContract }).flatMap(
  ([program, contract]) =>
    Object.entries(contract).map(
      ([name, { result, item }]) =>
        [
          program,
          name,
          [...fieldsOf(result), ...fieldsOf(item)],
          [...fieldsIn(result), ...fieldsIn(item)],
        ] as const,
    ),
);

test.each(answers)('what %s answers to %s has no field that docs/cli does not name', (_, name, fields) => {
  expect(fields.filter((field) => !isNamed(field) && !INTERNAL[name]?.includes(field))).toEqual([]);
});

/** Rows such as `| \`name\` | string or null |`, and of several fields with a type for all or for each. */
const ROW =
  /^\| ((?:`\w+`(?:, )?)+) +\| ((?:(?:string|number|boolean|time|list|object)(?: of \w+)?(?: or null)?(?:, )?)+) *\|/gm;
const typed = [...text.matchAll(ROW)].flatMap(([, names = '', types = '']) => {
  const each = types
    .replaceAll(/ of \w+/g, '')
    .replaceAll('time', 'string')
    .split(', ');
  return [...names.matchAll(/\w+/g)].map(([name], n) => [name, each[n] ?? each[0] ?? ''] as const);
});

/** Fields that only a command makes, where the contracts have something else of the same name. */
const ADDED: readonly string[] = ['self', 'spool'];

test('docs/cli says no type of a field that no contract has', () => {
  const declared = answers.flatMap(([, , , fields]) => fields);
  const wrong = typed.filter(([name, type]) => {
    const types = declared
      .filter(([each]) => each === name)
      .map(([, schema]) => typesOf(schema).join(' or '));
    return types.length > 0 && !types.includes(type) && !ADDED.includes(name);
  });
  expect(wrong).toEqual([]);
});

test('fields are found at any depth of a schema, and in the pages', () => {
  expect(fieldsOf(clientContract.transfers.result)).toContain('etaMs');
  expect(fieldsOf(clientContract.send.item)).toContain('receivedAs');
  expect(['receivedAs', 'noSuchField'].filter(isNamed)).toEqual(['receivedAs']);
  expect(typed).toContainEqual(['nextAt', 'string or null']);
  expect(typed.length).toBeGreaterThan(150);
});
