import { EXIT_CODES, FilerError, isErrorCode, nearNames, type ErrorCode } from '@filer/protocol';
import { LOCAL_CALLER, refreshOn, type Call, type Handlers, type TypesOf } from '@filer/program';
import { dropParts } from '../collect/delivery-parts.ts';
import { nameTaken, readCollect } from './collect-definition.ts';
import { collectEntry, collectsDocument, ledgerDocument, machineEntries } from './collect-documents.ts';
import type {
  collectMethods,
  CollectRunDone,
  CollectRunEvent,
  LedgerDocument,
  MachineEntry,
} from './contract/collects.ts';
import type { Collect, CollectRun } from '../store/collect-store.ts';
import type { AdminApi } from './admin-api.ts';

type Methods = typeof collectMethods;

/** The methods of collects. */
export function collectHandlers(api: AdminApi): Handlers<{ [K in keyof Methods]: TypesOf<Methods[K]> }> {
  const { collects: store, overview, network, events } = api;
  return {
    collects: () => collectsDocument(overview.collects),
    collectAdd: async (definition, { caller }) => {
      // With a folder of its choice, a token would write what machines send anywhere on this one.
      if (definition.folder !== undefined && caller.id !== LOCAL_CALLER.id) {
        throw new FilerError(
          'refused',
          'the folder of a collect is chosen on the machine of the server: leave it out, or use "ip-server collect add --to"',
        );
      }
      const collect = await readCollect(api, definition);
      if (!(await store.add(collect))) throw nameTaken(collect.name);
      events.publish('collect', { name: collect.name });
      return collectEntry(await overview.collects.view(collect));
    },
    collectRemove: async (named) => {
      const { name, folder } = await find(api, named.name);
      const begun = await store.begun(name);
      await store.remove(name);
      await network.endCollect(name);
      events.publish('collect', { name });
      await dropParts(folder, begun, () => true);
      return { name, folder };
    },
    collectShow: (which) => showLedger(api, which),
    collectRun: async ({ name }, call) => {
      const collect = await find(api, name);
      return await followRun(await network.beginCollect(collect.name), collect, api, call);
    },
  };
}

/** @throws FilerError `path-missing` with near names */
async function find({ collects: store }: AdminApi, name: string): Promise<Collect> {
  const found = await store.get(name);
  if (found !== undefined) return found;
  const near = nearNames(
    name,
    (await store.all()).map((collect) => collect.name),
  );
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : '"ip-server collect" shows them';
  throw new FilerError('path-missing', `there is no collect ${JSON.stringify(name)}, ${hint}`);
}

async function showLedger(
  api: AdminApi,
  { name, run: label }: TypesOf<Methods['collectShow']>['params'],
): Promise<LedgerDocument> {
  const collect = await find(api, name);
  if (label === undefined) return await ledgerDocument(api.overview.collects, collect);
  const run = await api.collects.run(collect.name, label);
  if (run !== undefined) return await ledgerDocument(api.overview.collects, collect, run);
  throw new FilerError(
    'path-missing',
    `${collect.name} has no run ${JSON.stringify(label)} that is still known: "ip-server collect show ${collect.name}" lists the last ones`,
  );
}

/** A machine that is there and was lost so often, or whose files changed so often, is not waited for. */
const PATIENCE_TRIES = 2;

/** Tells of a run until nothing more comes of it for now. */
async function followRun(
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
