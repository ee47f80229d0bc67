import { styleText } from 'node:util';
import {
  counted,
  formatAgo,
  formatBytes,
  layOutTable,
  type Cell,
  type Context,
  type Screen,
} from '@filer/program';
import type { MachineEntry, RunEntry } from '../../api/contract/collects.ts';

export const STOPPED = 'ip-server is stopped: nothing is collected until it runs again';

const COLUMNS = [
  { title: 'MACHINE', fit: 'whole' },
  { title: 'STATE', fit: 'whole' },
  { title: 'FILES', fit: 'whole', align: 'right' },
  { title: 'SIZE', fit: 'whole', align: 'right' },
  { title: 'WHEN', fit: 'whole', dropOrder: 1 },
  { title: 'WHY, OR WHERE', fit: 'below' },
] as const;

type OutputStream = Context['stdout'];

/** What makes the state of a machine stand out. */
const TROUBLE: ReadonlySet<string> = new Set(['late', 'missing', 'failed']);

/** `Sat 21 Nov 18:00`, by the clock of this machine. */
export function timeWords(time: string): string {
  return new Date(time).toLocaleString('en-GB', {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
  });
}

/** `1 missing, 2 late, 9 of 12 delivered`: what needs attention first. */
export function countWords(run: RunEntry): string {
  const counts = (['missing', 'late', 'failed', 'delivering', 'asked', 'waiting', 'gone'] as const).flatMap(
    (key) => (run[key] === 0 ? [] : [`${run[key]} ${key}`]),
  );
  if (run.expected === 0) return 'no machine was expected';
  return [...counts, `${run.delivered} of ${run.expected - run.gone} delivered`].join(', ');
}

/** Stands out on a terminal that shows colours. */
export function troubled(text: string, stdout: OutputStream): Cell {
  return { text, style: (shown) => styleText(['bold', 'red'], shown, { stream: stdout }) };
}

/** The machines of a run, as they come: those that need attention first. */
export function machinesScreen(
  machines: readonly MachineEntry[],
  { now, columns }: { readonly now: number; readonly columns: number },
  { output, stdout }: Pick<Context, 'output' | 'stdout'>,
): Screen {
  const { head, rows } = layOutTable(
    COLUMNS,
    machines.map((machine) => [...rowOf(machine, now, stdout), whyOrWhere(machine, output)]),
    columns,
  );
  return { head, items: rows };
}

function rowOf(machine: MachineEntry, now: number, stdout: OutputStream): Cell[] {
  const { name, state, deliveredAt, askedAt, progress } = machine;
  const words = stateWords(machine);
  const isDelivered = state === 'delivered';
  const when = deliveredAt ?? askedAt;
  return [
    name,
    TROUBLE.has(state) ? troubled(words, stdout) : words,
    isDelivered
      ? String(machine.files)
      : progress === null
        ? ''
        : `${progress.files} of ${progress.filesTotal}`,
    isDelivered ? formatBytes(machine.bytes) : progress === null ? '' : formatBytes(progress.bytes),
    when === null ? '' : formatAgo(Date.parse(when), now),
  ];
}

/** In capitals where somebody should look. */
export function stateWords({ state, late, online }: MachineEntry): string {
  const offline = online ? '' : ', offline';
  if (state === 'late') return `LATE${offline}`;
  if (state === 'missing') return 'MISSING';
  if (state === 'failed') return `FAILED${late ? ', late' : ''}`;
  if (state === 'waiting') return `waiting${offline}`;
  return late && (state === 'delivered' || state === 'delivering') ? `${state} late` : state;
}

export function whyOrWhere(
  { state, folder, reason, files }: MachineEntry,
  output: Pick<Context['output'], 'path'>,
): string {
  if (state === 'delivered') return files === 0 ? 'nothing matched' : output.path(folder);
  return reason ?? '';
}

/** How a run stands, in a line. */
export function runWords(run: RunEntry): string {
  return `${run.run}: ${countWords(run)}, ${counted(run.files, 'file')}, ${formatBytes(run.bytes)}`;
}
