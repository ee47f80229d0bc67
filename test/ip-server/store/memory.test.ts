import { openMemoryStore } from '../../../apps/ip-server/src/store/memory/open.ts';
import { storeSuite } from '../../suites/store.ts';

storeSuite(() => Promise.resolve(openMemoryStore()));
