import { EXIT_CODES, isErrorCode, type ErrorCode } from '@filer/protocol';
import { refreshOn, type Call } from '@filer/program';
import type { Collect, CollectRun } from '../store/collect-store.ts';
import type { AdminApi } from './admin-api.ts';
import { ledgerDocument, machineEntries } from './collect-documents.ts';
import type { CollectRunDone, CollectRunEvent, MachineEntry } from './contract/collects.ts';

/** A machine that is there and was lost so often, or whose files changed so often, is not waited for. */
const PATIENCE_TRIES = 2;

/** Tells of a run until nothing more comes of it for now. */
export async function followRun(
  run: CollectRun,
  collect: Collect,
  { overview: { collects: overview }, events }: AdminApi,
  { emit, signal }: Call<CollectRunEvent>,
): Promise<CollectRunDone> {
  const begun = (await ledgerDocument(overview, collect, run)).run;
  const { startedAt = '', expected = 0 } = begun ?? {};
  const about = { collect: collect.name, run: run.label };
  await emit({ type: 'run', ...about, id: run.id, startedAt, expected });
  const told = new Map<string, string>();
  let machines: readonly MachineEntry[] = [];
  const follow = async (changed: () => void, stop: AbortSignal): Promise<void> => {
    // Whether a machine is there counts, too.
    for await (const _ of events.subscribe({ types: ['collect', 'peer'], signal: stop })) changed();
  };
  const refresh = async (): Promise<boolean> => {
    machines = await machineEntries(overview, collect, run);
    for (const machine of machines) {
      const word = JSON.stringify(machine);
      if (told.get(machine.id) !== word) await emit({ type: 'machine', ...machine });
      told.set(machine.id, word);
    }
    return !machines.every((machine) => isSettled(machine));
  };
  await refreshOn(follow, refresh, signal);
  return doneOf(about, machines);
}

/** Whether nothing more comes of it that would be worth sitting there for. */
function isSettled({ state, online, tries, code }: MachineEntry): boolean {
  if (state === 'asked' || state === 'delivering') return false;
  const isPassing = state === 'waiting' || (state === 'failed' && code === 'partial');
  return !isPassing || !online || tries >= PATIENCE_TRIES;
}

function doneOf(
  about: Pick<CollectRunDone, 'collect' | 'run'>,
  machines: readonly MachineEntry[],
): CollectRunDone {
  const expected = machines.filter(({ state }) => state !== 'left' && state !== 'removed');
  const delivered = expected.filter(({ state }) => state === 'delivered');
  const sum = (key: 'files' | 'bytes'): number => delivered.reduce((total, each) => total + each[key], 0);
  const exitCode = exitCodeOf(expected, delivered.length);
  return {
    type: 'done',
    ok: exitCode === 0,
    exitCode,
    ...about,
    expected: expected.length,
    delivered: delivered.length,
    files: sum('files'),
    bytes: sum('bytes'),
  };
}

function exitCodeOf(expected: readonly MachineEntry[], delivered: number): number {
  if (expected.length === 0) return EXIT_CODES['no-such-peer'];
  if (delivered === expected.length) return 0;
  if (delivered > 0) return EXIT_CODES.partial;
  if (expected.every(({ online }) => !online)) return EXIT_CODES['peer-unreachable'];
  const code = expected.find((machine) => machine.code !== null)?.code ?? '';
  const known: ErrorCode = isErrorCode(code) ? code : 'timed-out';
  return EXIT_CODES[known];
}
