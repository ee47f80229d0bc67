import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { freshFolder } from '../../support/ip-server.ts';
import { storeSuite } from '../../suites/store.ts';

storeSuite(async () => {
  const store = await openStore(join(await freshFolder(), 'test.db'));
  onTestFinished(() => store.close());
  return store;
});
