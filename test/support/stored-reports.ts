import { encodeReportBody } from '@filer/protocol';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';

const BODY = { title: '', values: [['x', 'y'.repeat(10_000)] as const], schedule: '' };
export const CONTENT = encodeReportBody(BODY);

/** Stores reports of 10 KB of one machine. @param first number of the first of them */
export async function storeReports(store: Store, first: number, count: number): Promise<void> {
  await store.reports.append(
    Array.from({ length: count }, (_, index) => {
      const report = { ...BODY, spool: 'a'.repeat(32), seq: first + index, kind: 'user', time: 0 } as const;
      return { peer: 'PEER', report, content: CONTENT, receivedAt: 0 };
    }),
  );
}
