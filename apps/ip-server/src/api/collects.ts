import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, fieldsOf, nearNames, textOf } from '@filer/protocol';
import type { ControlCall, ControlMethod } from '@filer/program';
import { dropParts } from '../collect/delivery-parts.ts';
import type { ServerDaemon } from '../daemon/server-daemon.ts';
import type { Collect } from '../store/collect-rows.ts';
import { nameTaken, readCollect } from './collect-definition.ts';
import { collectEntry, collectsDocument, ledgerDocument, type LedgerDocument } from './collect-documents.ts';
import { followRun } from './collect-following.ts';
import type { Desk } from './desk.ts';

export type CollectMethodName =
  'collects' | 'collect-add' | 'collect-remove' | 'collect-show' | 'collect-run' | 'watch-collects';

/** How often what is watched is looked at. */
const WATCH_MS = 500;

/** The methods of collects on a desk. */
export function collectMethods(desk: Desk): Record<CollectMethodName, ControlMethod> {
  const { collects: store } = desk;
  return {
    collects: () => collectsDocument(desk.overview.collects),
    'collect-add': async (params) => {
      const collect = await readCollect(desk, params);
      if (!store.add(collect)) throw nameTaken(collect.name);
      return collectEntry(desk.overview.collects.view(collect));
    },
    'collect-remove': async (params) => {
      const { name, folder } = find(desk, params);
      const begun = store.begun(name);
      store.remove(name);
      await desk.daemon?.collects.forget(name);
      await dropParts(folder, begun, () => true);
      return { name, folder };
    },
    'collect-show': (params) => showLedger(desk, params),
    'collect-run': (params, call) => {
      const collect = find(desk, params);
      return followRun(requireCollects(desk).runNow(collect.name), collect, desk.overview.collects, call);
    },
    'watch-collects': (params, call) => watch(desk, params, call),
  };
}

/** @throws FilerError `path-missing` with near names */
function find({ collects: store }: Desk, params: unknown): Collect {
  const name = textOf(fieldsOf(params, 'params')['name'], 'NAME', { max: 64 });
  const found = store.get(name);
  if (found !== undefined) return found;
  const near = nearNames(
    name,
    store.all().map((collect) => collect.name),
  );
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : '"ip-server collect" shows them';
  throw new FilerError('path-missing', `there is no collect ${JSON.stringify(name)}, ${hint}`);
}

function showLedger(desk: Desk, params: unknown): LedgerDocument {
  const collect = find(desk, params);
  const wanted = fieldsOf(params, 'params')['run'];
  if (wanted === undefined) return ledgerDocument(desk.overview.collects, collect);
  const label = textOf(wanted, '--run', { max: 64 });
  const run = desk.collects.run(collect.name, label);
  if (run !== undefined) return ledgerDocument(desk.overview.collects, collect, run);
  throw new FilerError(
    'path-missing',
    `${collect.name} has no run ${JSON.stringify(label)} that is still known: "ip-server collect show ${collect.name}" lists the last ones`,
  );
}

async function watch(desk: Desk, params: unknown, { emit, signal }: ControlCall): Promise<void> {
  const isOne = fieldsOf(params, 'params')['name'] !== undefined;
  let last = '';
  for (;;) {
    signal.throwIfAborted();
    const document = isOne ? showLedger(desk, params) : collectsDocument(desk.overview.collects);
    const shown = JSON.stringify(document);
    if (shown !== last) await emit(document);
    last = shown;
    await wait(WATCH_MS);
  }
}

function requireCollects({ daemon }: Desk): ServerDaemon['collects'] {
  if (daemon !== undefined) return daemon.collects;
  throw new FilerError('needs-daemon', 'ip-server is not running here, start it with "ip-server start"');
}
