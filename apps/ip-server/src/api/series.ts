import { setImmediate as turn } from 'node:timers/promises';
import type { AdminApi } from './admin-api.ts';
import { findMember } from './members.ts';

const SERIES_REPORTS = 300;

/** Reports that are read in one go, of 64 KiB at most each: the only thread has others to serve. */
const REPORTS_A_TURN = 25;

/** So many values of a series are drawn: those that come first. */
const MAX_SERIES = 12;

/** The longest text that is looked at for a number, in characters. */
const MAX_NUMBER_CHARS = 64;

interface Series {
  readonly times: number[];
  readonly series: { readonly name: string; readonly numbers: (number | null)[] }[];
}

interface Point {
  readonly receivedAt: number;
  readonly numbers: ReadonlyMap<string, number>;
}

/** @see the contract */
export async function schedulesOf(api: AdminApi, peer: string): Promise<string[]> {
  const { id } = findMember(api, peer).membership;
  const newest = await api.reports.recent({ peer: id }, REPORTS_A_TURN);
  const byHand = await api.reports.recent({ peer: id, schedule: '' }, 1);
  const expected = [...api.overview.each([id])].flatMap(({ schedules }) => schedules.map(({ name }) => name));
  return [...new Set([...[...newest, ...byHand].map(({ report }) => report.schedule), ...expected])];
}

/** @see the contract */
export async function seriesOf(api: AdminApi, peer: string, schedule: string): Promise<Series> {
  const points = await newestPoints(api, peer, schedule);
  points.reverse();
  const names = new Set<string>();
  for (const { numbers } of points)
    for (const name of numbers.keys()) if (names.size < MAX_SERIES) names.add(name);
  return {
    times: points.map(({ receivedAt }) => receivedAt / 1_000),
    series: [...names].map((name) => ({
      name,
      numbers: points.map(({ numbers }) => numbers.get(name) ?? null),
    })),
  };
}

/** The newest first. */
async function newestPoints(api: AdminApi, peer: string, schedule: string): Promise<Point[]> {
  const { id } = findMember(api, peer).membership;
  const points: Point[] = [];
  let before: string | undefined;
  while (points.length < SERIES_REPORTS) {
    const found = await api.reports.recent({ peer: id, schedule }, REPORTS_A_TURN, before);
    points.push(
      ...found.map(({ receivedAt, report }) => ({ receivedAt, numbers: numbersIn(report.values) })),
    );
    before = found.at(-1)?.id;
    if (found.length < REPORTS_A_TURN) break;
    await turn();
  }
  return points;
}

function numbersIn(values: readonly (readonly [string, string])[]): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const [name, value] of values) {
    const number = numberIn(value);
    if (number === null) numbers.delete(name);
    else numbers.set(name, number);
  }
  return numbers;
}

/** A value that is a number, also with a unit behind it: `12.5 %`. */
export function numberIn(text: string): number | null {
  // Another machine wrote it: what is tried of a text grows with the square of its length.
  if (text.length > MAX_NUMBER_CHARS) return null;
  const [, digits] = /^([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*[%\p{L}°/]{0,8}$/iu.exec(text.trim()) ?? [];
  const number = Number(digits);
  return digits !== undefined && Number.isFinite(number) ? number : null;
}
