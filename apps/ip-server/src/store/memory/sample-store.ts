import type { Heartbeat } from '@filer/protocol';
import type { HeartbeatAt } from '../registry.ts';
import { HOURS_KEPT_MS, MINUTES_KEPT_MS, type Sample, type SampleStore } from '../sample-store.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Heartbeats over time, in memory. */
export class MemorySampleStore implements SampleStore {
  readonly #samples = new Map<string, Sample[]>();

  async save(heartbeats: ReadonlyMap<string, HeartbeatAt>): Promise<void> {
    for (const [peer, { at, heartbeat }] of heartbeats) {
      const sample = { at: at - (at % MINUTE_MS), spanMs: MINUTE_MS, heartbeat };
      const others = (this.#samples.get(peer) ?? []).filter((each) => each.at !== sample.at);
      this.#samples.set(peer, [...others, sample].toSorted(byTime));
    }
  }

  async of(peer: string, since = 0): Promise<Sample[]> {
    return (this.#samples.get(peer) ?? []).filter(({ at }) => at >= since);
  }

  /** All in one step. */
  async rollUp(now: number): Promise<boolean> {
    const before = now - MINUTES_KEPT_MS - ((now - MINUTES_KEPT_MS) % HOUR_MS);
    for (const [peer, samples] of this.#samples) {
      const [minutes = [], rest = []] = [true, false].map((isOld) =>
        samples.filter(({ spanMs, at }) => (spanMs === MINUTE_MS && at < before) === isOld),
      );
      const hours = Map.groupBy(minutes, ({ at }) => at - (at % HOUR_MS));
      const rolled = [...hours].map(([at, each]) => ({ at, spanMs: HOUR_MS, heartbeat: averageOf(each) }));
      const kept = [...rest, ...rolled].filter(
        ({ spanMs, at }) => spanMs === MINUTE_MS || at >= now - HOURS_KEPT_MS,
      );
      this.#samples.set(peer, kept.toSorted(byTime));
    }
    return false;
  }
}

const byTime = (a: Sample, b: Sample): number => a.at - b.at;

/** Of the uptime the average says nothing: its last is kept. */
function averageOf(samples: readonly Sample[]): Heartbeat {
  const of = (key: keyof Heartbeat): number =>
    Math.round(samples.reduce((sum, { heartbeat }) => sum + heartbeat[key], 0) / samples.length);
  return {
    uptimeMs: samples.at(-1)?.heartbeat.uptimeMs ?? 0,
    loadHundredths: of('loadHundredths'),
    memoryTotalBytes: of('memoryTotalBytes'),
    memoryFreeBytes: of('memoryFreeBytes'),
    inboxFreeBytes: of('inboxFreeBytes'),
    transfers: of('transfers'),
    spooled: of('spooled'),
  };
}
