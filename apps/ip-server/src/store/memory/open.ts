import type { Effects } from '../effects.ts';
import type { Store } from '../interfaces.ts';
import { MemoryAlarmStore } from './alarm-store.ts';
import { MemoryAttachmentStore } from './attachment-store.ts';
import { MemoryAuditStore } from './audit-store.ts';
import { MemoryCollectStore } from './collect-store.ts';
import { MemoryExpectationStore } from './expectation-store.ts';
import { MemoryMessageStore } from './message-store.ts';
import { MemoryRegistry } from './registry.ts';
import { MemoryReportStore } from './report-store.ts';
import { MemorySampleStore } from './sample-store.ts';
import { MemoryTokenStore } from './token-store.ts';

/** A store that lasts as long as the process, for tests. */
export function openMemoryStore(): Store {
  const alarms = new MemoryAlarmStore();
  const expectations = new MemoryExpectationStore((effects) => apply(effects));
  const apply = (effects: Effects): void => {
    alarms.check(effects);
    expectations.keep(effects);
    alarms.keep(effects);
  };
  const attachments: MemoryAttachmentStore = new MemoryAttachmentStore((key) => reports.had(key));
  const reports = new MemoryReportStore(apply, (key) => attachments.reportGone(key));
  return {
    registry: new MemoryRegistry(),
    reports,
    expectations,
    alarms,
    samples: new MemorySampleStore(),
    messages: new MemoryMessageStore(),
    attachments,
    collects: new MemoryCollectStore(),
    tokens: new MemoryTokenStore(),
    audit: new MemoryAuditStore(),
    contents: undefined,
    at: { engine: 'memory', database: 'memory' },
    bytes: () => Promise.resolve(0),
    room: undefined,
    close: () => Promise.resolve(),
  };
}
