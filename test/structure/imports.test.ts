import { describe, expect, test } from 'vitest';
import { circles } from './circles.ts';
import { breaches } from './rules.ts';
import { readSources } from './sources.ts';

test('no source file breaks the import table or a rule of the house', () => {
  const sources = readSources();

  expect(sources.length).toBeGreaterThan(5);
  expect(sources.flatMap(breaches)).toEqual([]);
});

test('no files import each other in a circle, types included', () => {
  expect(circles(readSources())).toEqual([]);
});

test('a circle of imports is noticed', () => {
  const source = (name: string, text: string) => ({ path: `packages/protocol/src/${name}.ts`, text });
  const sources = [
    source('a', `import { b } from './b.ts';`),
    source('b', `import type { C } from './trust/c.ts';`),
    source('trust/c', `export { a } from '../a.ts';`),
    source('d', `import { a } from './a.ts';`),
  ];

  expect(circles(sources)).toEqual([sources.slice(0, 3).map(({ path }) => path)]);
});

describe('a breach of the rules is noticed', () => {
  const client = 'apps/filer-client/src';
  const rows: [string, string, string][] = [
    ['one app importing the other', `${client}/cli/send.ts`, `import { x } from '@filer/ip-server';`],
    ['one app reaching into the other', `${client}/cli/a.ts`, `import '../../../ip-server/src/main.ts';`],
    ['a package importing an app', 'packages/program/src/a.ts', `import { x } from '@filer/filer-client';`],
    [
      'the protocol importing the engine',
      'packages/protocol/src/a.ts',
      `export { x } from '@filer/transfer';`,
    ],
    ['a way past a front door', `${client}/cli/a.ts`, `import { x } from '@filer/protocol/dist/frame.js';`],
    [
      'the store importing the daemon',
      `${client}/store/a.ts`,
      `import type { D } from '../daemon/daemon.ts';`,
    ],
    ['the daemon loading a command', `${client}/daemon/a.ts`, `await import('../cli/send.ts');`],
    ['an import over several lines', `${client}/network/a.ts`, `import {\n  x,\n} from '../api/x.ts';`],
    ['a folder outside the table', `${client}/daemon/a.ts`, `import { x } from '../shared/x.ts';`],
    ['the network knowing a job', `${client}/network/a.ts`, `import { x } from '../jobs/x.ts';`],
    [
      'the server knowing a report',
      'apps/ip-server/src/network/a.ts',
      `import type { x } from '../reports/x.ts';`,
    ],
    [
      'a store engine opened outside the store',
      'apps/ip-server/src/cli/a.ts',
      `import { x } from '../store/sqlite/database.ts';`,
    ],
    [
      'a database opened without the wrapper',
      `${client}/store/a.ts`,
      `import { DatabaseSync } from 'node:sqlite';`,
    ],
    [
      'a database opened outside the store',
      `${client}/network/a.ts`,
      `const it = new Database(file, SCHEMA);`,
    ],
    ['the engine with a socket', 'packages/transfer/src/a.ts', `import { Socket } from 'node:net';`],
    ['the engine at the terminal', 'packages/transfer/src/a.ts', `process.stdout.write('x');`],
    ['console below the commands', `${client}/daemon/a.ts`, `console.log(1);`],
    ['process.env outside the environment file', `${client}/cli/a.ts`, `const home = process.env['HOME'];`],
    ['process.exit in a command', `${client}/cli/a.ts`, `process.exit(1);`],
    ['a default export', `${client}/cli/a.ts`, `export default 1;`],
    ['a barrel', 'packages/protocol/src/trust/all.ts', `export * from './keys.ts';`],
    ['a file called utils', 'packages/protocol/src/utils.ts', ``],
  ];

  test.each(rows)('%s', (_, path, text) => {
    expect(breaches({ path, text })).toHaveLength(1);
  });

  test('and what the table allows is not', () => {
    const text = [
      `import { readFile } from 'node:fs/promises';`,
      `import { FilerError } from '@filer/protocol';`,
      `import { control } from '../api/caller.ts';`,
      `import { settings } from '../settings.ts';`,
    ].join('\n');

    expect(breaches({ path: 'apps/filer-client/src/cli/send.ts', text })).toEqual([]);
  });
});
