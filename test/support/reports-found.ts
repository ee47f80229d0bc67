import type { StoredReport } from '../../apps/ip-server/src/store/report-store.ts';

/** All reports of all pages. */
export async function reportsFound(pages: AsyncIterable<readonly StoredReport[]>): Promise<StoredReport[]> {
  const found: StoredReport[] = [];
  for await (const page of pages) found.push(...page);
  return found;
}
