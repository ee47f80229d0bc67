import { iso } from '@filer/program';
import type { StoredReport } from '../store/report-store.ts';
import type { AdminApi } from './admin-api.ts';
import { MAX_SHOWN_CHARS, MAX_SHOWN_VALUES, type ReportEntry } from './contract/reports.ts';
import { findMember } from './members.ts';

const SERIES_REPORTS = 300;

/** So many values of a series are drawn: those that come first. */
const MAX_SERIES = 12;

interface Asked {
  readonly peer?: string;
  readonly before?: string;
  readonly limit: number;
}

/** The newest first. */
export async function reportEntries(api: AdminApi, { peer, before, limit }: Asked): Promise<ReportEntry[]> {
  const id = peer === undefined ? undefined : findMember(api, peer).membership.id;
  const found = await api.reports.recent({ peer: id }, limit, before);
  return found.map((each) => entryOf(each, api.directory.get(each.peer)?.membership.name));
}

function entryOf({ id, peer, receivedAt, report }: StoredReport, name: string | undefined): ReportEntry {
  return {
    id,
    peer: name ?? peer,
    peerId: peer,
    kind: report.kind,
    time: iso(report.time),
    receivedAt: iso(receivedAt),
    title: report.title === '' ? null : report.title,
    schedule: report.schedule === '' ? null : report.schedule,
    values: report.values
      .slice(0, MAX_SHOWN_VALUES)
      .map(([key, value]) => ({ name: cut(key), value: cut(value) })),
    output: report.output === undefined ? null : cut(report.output),
    exitCode: report.run?.exitCode ?? null,
    attachments: (report.attachments ?? []).map(({ name: file, size }) => ({ name: file, size })),
  };
}

function cut(text: string): string {
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS).toWellFormed()}…` : text;
}

interface Series {
  readonly times: number[];
  readonly series: { readonly name: string; readonly numbers: (number | null)[] }[];
}

/** @see the contract */
export async function seriesOf(api: AdminApi, peer: string, schedule: string): Promise<Series> {
  const { id } = findMember(api, peer).membership;
  const found = (await api.reports.recent({ peer: id, schedule }, SERIES_REPORTS)).toReversed();
  const numbers = found.map(
    ({ report }) => new Map(report.values.map(([key, value]) => [key, numberIn(value)])),
  );
  const names = new Set(
    numbers.flatMap((each) => [...each].flatMap(([key, value]) => (value === null ? [] : [key]))),
  );
  return {
    times: found.map(({ receivedAt }) => receivedAt / 1_000),
    series: [...names]
      .slice(0, MAX_SERIES)
      .map((name) => ({ name, numbers: numbers.map((each) => each.get(name) ?? null) })),
  };
}

/** A value that is a number, also with a unit behind it: `12.5 %`. */
function numberIn(text: string): number | null {
  const [, digits] = /^\s*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*[%\p{L}°/]{0,8}\s*$/iu.exec(text) ?? [];
  const number = Number(digits);
  return digits !== undefined && Number.isFinite(number) ? number : null;
}
