import type { Effects } from '../effects.ts';
import type { StoreEngine } from '../interfaces.ts';
import { MemoryAlarmStore } from './alarm-store.ts';
import { MemoryExpectationStore } from './expectation-store.ts';
import { MemoryRegistry } from './registry.ts';
import { MemoryReportStore } from './report-store.ts';

/** A store that lasts as long as the process, for tests. */
export function openMemoryStore(): StoreEngine {
  const alarms = new MemoryAlarmStore();
  const expectations = new MemoryExpectationStore((effects) => apply(effects));
  const apply = (effects: Effects): void => {
    alarms.check(effects);
    expectations.keep(effects);
    alarms.keep(effects);
  };
  return {
    registry: new MemoryRegistry(),
    reports: new MemoryReportStore(apply),
    expectations,
    alarms,
  };
}
