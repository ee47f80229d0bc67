import { computed, signal } from '@preact/signals';
import type { contract } from '@filer/ip-server/contract';
import type { TypesOf } from '@filer/program';
import { setClock } from '../ui/ago.tsx';
import { address } from '../ui/address.ts';
import { session } from '../ui/session.ts';
import { api } from './api.ts';
import { countsOf, filtered, inOrder, movedIn, type Filter } from './machine-list.ts';

export type Machine = TypesOf<(typeof contract)['machines']>['item'];

/** All that the page knows, by id. */
export const machines = signal<ReadonlyMap<string, Machine>>(new Map());

/** Whether all have come once. */
export const isComplete = signal(false);

/** The order of the list: made at load, and when a person asks for it, so that rows do not jump. */
const order = signal<readonly string[]>([]);

/** Whether the network has several servers: which of them holds a session is shown then. */
export const isSeveral = signal(false);

/** Why the last reading failed. */
export const problem = signal<string | undefined>(undefined);

const RETRY_MS = 5_000;

let since: string | undefined;
let reading = Promise.resolve();
let retry: ReturnType<typeof setTimeout> | undefined;

/** Reads all, or what changed since the last time, once the reading before has ended: one tells what follows the other. */
export function refreshMachines(): Promise<void> {
  reading = reading.then(readOrTell);
  return reading;
}

/** One that fails is tried again after a pause. */
async function readOrTell(): Promise<void> {
  clearTimeout(retry);
  try {
    await readMachines();
    problem.value = undefined;
  } catch (error) {
    problem.value = error instanceof Error ? error.message : '';
    // Who has no session is asked for one; the list is read when there is one.
    if (session.value === 'open') retry = setTimeout(() => void refreshMachines(), RETRY_MS);
  }
}

async function readMachines(): Promise<void> {
  const got = new Map<string, Machine>();
  const isFirst = since === undefined;
  const { at, time, all, removed, servers } = await api.read(
    'machines',
    since === undefined ? {} : { since },
    {
      onItems: (items) => {
        for (const item of items) got.set(item.id, item);
        // The first rows are shown while the others come: they are in their order already.
        if (isFirst && !isComplete.value) show(got, true);
      },
    },
  );
  since = at;
  isSeveral.value = (servers ?? 1) > 1;
  setClock(time);
  const known = all ? got : new Map([...machines.value, ...got]);
  for (const id of removed) known.delete(id);
  show(known, !isComplete.value);
  isComplete.value = true;
}

function show(known: ReadonlyMap<string, Machine>, isOrdered: boolean): void {
  machines.value = new Map(known);
  // One that is new comes at the end until the list is put in order again.
  const kept = isOrdered ? [] : order.value.filter((id) => known.has(id));
  const places = new Set(kept);
  order.value = [...kept, ...[...known.keys()].filter((id) => !places.has(id))];
}

/** Puts trouble first again. */
export function putInOrder(): void {
  order.value = inOrder([...machines.value.values()]).map(({ id }) => id);
}

export const filter = computed<Filter>(() => ({
  standing: address.value.get('show') ?? '',
  group: address.value.get('group') ?? '',
  text: address.value.get('q') ?? '',
}));

const all = computed(() => order.value.flatMap((id) => machines.value.get(id) ?? []));

export const counts = computed(() => countsOf(all.value));

export const shown = computed(() => filtered(all.value, filter.value));

/** How many machines the list would move if it were put in order. */
export const moved = computed(() => movedIn(shown.value));
