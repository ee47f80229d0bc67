import { computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import type { contract } from '@filer/filer-client/contract';
import type { Method } from '@filer/program';
import { readInto, type Read } from '../ui/document.ts';
import { onEvents, refresher } from '../ui/events.ts';
import { api } from './api.ts';

type Contract = typeof contract;
/** What a method answers. */
export type Doc<K extends keyof Contract> = Contract[K] extends Method<infer T> ? T['result'] : never;

export type Peer = Doc<'peers'>['peers'][number];
export type Job = Doc<'transfers'>['outgoing'][number];
export type Recipient = Job['recipients'][number];
export type Offer = Doc<'inbox'>['offers'][number];

interface Kept<T> {
  readonly value: ReadonlySignal<T | undefined>;
  /** With what prevents the reading. */
  readonly read: ReadonlySignal<Read<T>>;
  /** Reads it again. */
  readonly refresh: () => void;
}

/**
 * A document of the daemon, kept up to date by its events from the first time that it is used on.
 *
 * @param types of the events that change it
 */
function kept<T>(read: () => Promise<T>, types: readonly string[], everyMs?: number): () => Kept<T> {
  let own: Kept<T> | undefined;
  return () => {
    if (own !== undefined) return own;
    const document = signal<Read<T>>({ value: undefined, problem: undefined });
    const refresh = refresher(() => readInto(document, read), everyMs);
    onEvents(types, refresh);
    refresh();
    own = { value: computed(() => document.value.value), read: document, refresh };
    return own;
  };
}

export const status = kept(
  () => api.read('status', {}),
  ['server', 'member', 'offer', 'transfer', 'spool', 'schedule'],
);
export const peers = kept(() => api.read('peers', {}), ['directory', 'presence', 'member', 'server']);
export const transfers = kept(() => api.read('transfers', {}), ['transfer', 'directory'], 500);
export const inbox = kept(() => api.read('inbox', {}), ['received', 'offer']);
export const messages = kept(() => api.read('messages', {}), ['message', 'directory']);
export const history = kept(() => api.read('history', {}), ['transfer'], 2_000);
export const watches = kept(() => api.read('watchList', {}), ['watch', 'transfer'], 2_000);
export const schedules = kept(() => api.read('scheduleList', {}), ['schedule']);
export const shares = kept(() => api.read('shareList', {}), ['share']);

/** Resolves once a condition on signals holds. */
export function until(holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = effect(() => {
      if (!holds()) return;
      queueMicrotask(() => end());
      resolve();
    });
  });
}
