import { FilerError, nearNames } from '@filer/protocol';
import type { Handlers, TypesOf } from '@filer/program';
import { dropParts } from '../collect/delivery-parts.ts';
import type { Collect } from '../store/collect-store.ts';
import type { AdminApi } from './admin-api.ts';
import { nameTaken, readCollect } from './collect-definition.ts';
import { collectEntry, collectsDocument, ledgerDocument } from './collect-documents.ts';
import { followRun } from './collect-following.ts';
import type { collectMethods, LedgerDocument } from './contract/collects.ts';

type Methods = typeof collectMethods;

/** The methods of collects. */
export function collectHandlers(api: AdminApi): Handlers<{ [K in keyof Methods]: TypesOf<Methods[K]> }> {
  const { collects: store, overview, network, events } = api;
  return {
    collects: () => collectsDocument(overview.collects),
    collectAdd: async (definition) => {
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
