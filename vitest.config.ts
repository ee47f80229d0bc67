import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';
import { ClosingReporter } from './test/support/closing-reporter.ts';
import { RunReport } from './test/support/run-report.ts';
import { SlowFirst } from './test/support/slow-first.ts';

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const LONG = 'test/**/*.long.test.ts';

/** Each is about one engine, which it opens itself. */
const OF_ONE_ENGINE = 'test/ip-server/store/*.test.ts';

/** Protocol, program, structure and the parts of the client, each by itself. */
const UNITS = [
  'test/{structure,protocol,program}/**/*.test.ts',
  'test/filer-client/{cli,jobs,send,verify,reports,store,watch}/**/*.test.ts',
];

/** A test with a server and its clients waits for what one part does not wait for. */
const opensNetwork = (file: string): boolean =>
  /\/support\/(network-here|test-network|network|ip-server)\.ts'/.test(readFileSync(file, 'utf8'));

/** What `--mode postgres-short` runs: what depends most on what the store says. */
const SHORT_ON_POSTGRES = [
  ...['directory-pages', 'events', 'joining', 'lateness', 'left-members', 'removal', 'replacement'],
  ...['report-search', 'reports', 'restored-spools', 'store', 'texts', 'wrong-clock'],
].map((name) => `test/ip-server/${name}.test.ts`);

/**
 * `--mode fast` runs the units only.
 *
 * `--mode long` runs the long forms only; every other run leaves them out. `--mode postgres` runs the tests of the ip-server on
 * PostgreSQL, but for those about the embedded database.
 */
export default defineConfig(({ mode }) => {
  const long = mode === 'long';
  const short = mode === 'postgres-short';
  const postgres = mode === 'postgres' || short;
  const fast = mode === 'fast';
  const report = process.env['FILER_TEST_REPORT'];
  return {
    resolve: {
      // Tests run on the sources: one FilerError class in one process.
      alias: {
        '@filer/protocol': source('./packages/protocol/src/index.ts'),
        '@filer/sockets': source('./packages/sockets/src/index.ts'),
        '@filer/transfer': source('./packages/transfer/src/index.ts'),
        '@filer/program': source('./packages/program/src/index.ts'),
      },
    },
    test: {
      include: long
        ? [LONG]
        : postgres
          ? short
            ? SHORT_ON_POSTGRES
            : ['test/ip-server/**/*.test.ts']
          : fast
            ? UNITS
            : ['test/**/*.test.ts'],
      exclude: [
        ...configDefaults.exclude,
        ...(long ? [] : [LONG]),
        ...(postgres ? [OF_ONE_ENGINE] : []),
        ...(fast ? globSync(UNITS).filter(opensNetwork) : []),
      ],
      globalSetup: postgres ? ['test/support/postgres-run.ts'] : [],
      passWithNoTests: long,
      // Most tests wait for other processes and for disks: as many files as cores leave a third of them idle.
      maxWorkers: Math.max(3, availableParallelism() - 1),
      sequence: { sequencer: SlowFirst },
      // A worker runs one file after the other: a third of all the work was to import the same modules for each.
      isolate: long,
      // A limit only ends what hangs: a busy machine takes many times as long as a quiet one.
      testTimeout: long ? 600_000 : 120_000,
      hookTimeout: 120_000,
      expect: { poll: { timeout: 100_000, interval: 20 } },
      execArgv: ['--throw-deprecation'],
      // A fifth of what a command's process takes is compiling the same sources once more.
      env: { NODE_COMPILE_CACHE: source('./node_modules/.cache/filer-tests') },
      reporters: ['default', ...(report ? [new RunReport(report)] : []), new ClosingReporter()],
    },
  };
});
