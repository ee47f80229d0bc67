import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { DAY_MS, PEERS, peerId } from './fill.ts';

const LAB = Array.from({ length: 20 }, (_, index) => peerId(index));
const HOUR_MS = DAY_MS / 24;

/** What people and the coming dashboard ask. @param now when the newest report came */
export function queries(
  { reports, samples }: Store,
  now: number,
): [string, () => AsyncIterable<readonly unknown[]>][] {
  const since = now - DAY_MS;
  return [
    ['newest of every machine and schedule', () => reports.latest({})],
    ['newest of a group of 20', () => reports.latest({ peers: LAB })],
    ["one machine's last day", () => reports.query({ peers: [peerId(7)], since })],
    ["one machine's, all of them", () => reports.query({ peers: [peerId(7)] })],
    ['a group of 20, its last day', () => reports.query({ peers: LAB, since })],
    ['the last hour', () => reports.query({ since: now - HOUR_MS })],
    ["one schedule's last hour", () => reports.query({ schedule: 'backup', since: now - HOUR_MS })],
    ['by hand, the last day', () => reports.query({ kind: 'user', since })],
    ['one title', () => reports.query({ title: 'render 49 done' })],
    ["titles like 'render 9?9 done'", () => reports.query({ title: 'render 9?9 done' })],
    ["titles like '*nothing*'", () => reports.query({ title: '*nothing*' })],
    ["one machine's samples", () => pageOf(samples.of(peerId(PEERS - 1)))],
  ];
}

async function* pageOf(found: Promise<readonly unknown[]>): AsyncGenerator<readonly unknown[], void, void> {
  yield await found;
}

/** @returns how many there are */
export async function countOf(found: AsyncIterable<readonly unknown[]>): Promise<number> {
  let count = 0;
  for await (const page of found) count += page.length;
  return count;
}

/** When the newest report came. */
export async function newestAt({ reports }: Store): Promise<number> {
  return (await reports.get((await reports.newest()) ?? ''))?.receivedAt ?? 0;
}
