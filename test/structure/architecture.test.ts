import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');

/** The rows of the table of paths: a file of each column. */
const rows = [...page.matchAll(/^\| +`([\w/-]+\.ts)` +\| +`([\w/-]+\.ts)` +\|$/gm)];

test('a send and a report pass at most 12 files from the command to the engine, all of which are there', () => {
  expect(rows.length).toBeGreaterThan(5);
  expect(rows.length).toBeLessThanOrEqual(12);
  const placeOf = (file: string): string =>
    file.startsWith('rpc/') ? `packages/program/src/${file}` : `apps/filer-client/src/${file}`;
  const files = rows.flatMap(([, send = '', report = '']) => [send, report]).map(placeOf);
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});
