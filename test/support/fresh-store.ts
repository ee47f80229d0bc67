import { onTestFinished } from 'vitest';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { freshPlace } from './engine.ts';
import { freshFolder } from './ip-server.ts';

/** An empty store of the engine that this run is about, closed at the end of the test. */
export async function freshStore(): Promise<Store> {
  const store = await openStore(await freshPlace(await freshFolder()));
  onTestFinished(() => store.close());
  return store;
}
