/* A process that asks everything once: node bench/reports/asking.ts FILE */
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { countOf, newestAt, queries } from './queries.ts';

const store = await openStore(process.argv[2] ?? '');
for (const [, query] of queries(store, await newestAt(store))) await countOf(query());
await store.close();
