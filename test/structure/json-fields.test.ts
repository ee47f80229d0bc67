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

/** All names of fields in a schema, at any depth. */
function fieldsOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const parts = new Map<string, unknown>(Object.entries(schema));
  const entries = new Map<string, unknown>(Object.entries(parts.get('entries') ?? {}));
  const inner = ['item', 'wrapped', 'options', 'items'].flatMap((name) => [parts.get(name)].flat());
  return [...entries.keys(), ...[...entries.values(), ...inner].flatMap(fieldsOf)];
}

/** Whether the pages name a field: alone as code, in a shape such as `{"a","b"}`, or as `.a` of something. */
const isNamed = (field: string): boolean => new RegExp(`[\`".]${field}[\`". ([\\]]`).test(text);

const answers = Object.entries({ 'filer-client': clientContract, 'ip-server': serverContract }).flatMap(
  ([program, contract]) =>
    Object.entries(contract).map(
      ([name, { result, item }]) => [program, name, [...fieldsOf(result), ...fieldsOf(item)]] as const,
    ),
);

test.each(answers)('what %s answers to %s has no field that docs/cli does not name', (_, name, fields) => {
  expect(fields.filter((field) => !isNamed(field) && !INTERNAL[name]?.includes(field))).toEqual([]);
});

test('fields are found at any depth of a schema, and in the pages', () => {
  expect(fieldsOf(clientContract.transfers.result)).toContain('etaMs');
  expect(fieldsOf(clientContract.send.item)).toContain('receivedAs');
  expect(['receivedAs', 'noSuchField'].filter(isNamed)).toEqual(['receivedAs']);
});
