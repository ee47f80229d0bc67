import { iso } from '@filer/program';
import type { StoredReport } from '../store/report-store.ts';
import type { AdminApi } from './admin-api.ts';
import { MAX_SHOWN_CHARS, MAX_SHOWN_VALUES, type ReportEntry } from './contract/reports.ts';
import { findMember } from './members.ts';

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
