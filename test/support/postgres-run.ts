import type { TestProject } from 'vitest/node';
import { PostgresCluster } from './postgres-cluster.ts';

/** One PostgreSQL for all tests of a run of `npm run test:postgres`. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await PostgresCluster.start();
  project.config.env['FILER_TEST_POSTGRES'] = cluster.folder;
  process.env['FILER_TEST_POSTGRES'] = cluster.folder;
  return () => cluster[Symbol.asyncDispose]();
}
