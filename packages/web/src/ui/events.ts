import { signal } from '@preact/signals';
import { checkSession, withSession } from './session.ts';

/** What happened at the daemon. `reset`: something was missed, so read the documents again. */
export interface PageEvent {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
}

type Listener = (event: PageEvent) => void;

/** How the page hears of changes: `lost` while the server is away. */
export const connection = signal<'connecting' | 'live' | 'lost'>('connecting');

const RETRY_MS = 1_000;
const RETRY_AT_MOST_MS = 15_000;

const listeners = new Set<Listener>();
let last: string | undefined;
let isBegun = false;

/**
 * Calls the listener for each event. All tabs of a browser share one stream: a browser has few connections to a server, and the
 * server few streams for a browser.
 *
 * @param types as the contract's events have them @returns what ends it
 */
export function onEvents(types: readonly string[], listener: Listener): () => void {
  const wanted = new Set([...types, 'reset']);
  const heard: Listener = (event) => {
    if (wanted.has(event.type)) listener(event);
  };
  listeners.add(heard);
  begin();
  return () => listeners.delete(heard);
}

function hear(event: PageEvent): void {
  // A tab that becomes the one with the stream may get some of what it has heard once more.
  last = event.id;
  for (const listener of listeners) listener(event);
}

/*
 * One tab holds a lock and the stream, and tells the others what it hears. When it is closed the browser gives the lock to the
 * next one, which asks for what followed the last event that it has heard.
 */
function begin(): void {
  if (isBegun) return;
  isBegun = true;
  // Only pages of a secure context have locks: others have a stream of their own.
  if (!('locks' in navigator)) {
    follow(() => undefined);
    return;
  }
  const channel = new BroadcastChannel('filer-events');
  channel.addEventListener('message', ({ data }: MessageEvent<Told>) => {
    if (data.kind === 'event') hear(data.event);
    else if (data.kind === 'connection') connection.value = data.connection;
    // A tab that was opened later learns how the stream is.
    else if (isLeader) tell({ kind: 'connection', connection: connection.value });
  });
  let isLeader = false;
  const tell = (told: Told): void => channel.postMessage(told);
  tell({ kind: 'ask' });
  const lead = (): Promise<never> => {
    isLeader = true;
    follow(tell);
    return new Promise(() => undefined);
  };
  navigator.locks.request('filer-events', lead).catch(() => follow(() => undefined));
}

type Told =
  | { readonly kind: 'event'; readonly event: PageEvent }
  | { readonly kind: 'connection'; readonly connection: 'connecting' | 'live' | 'lost' }
  | { readonly kind: 'ask' };

/** Follows the stream for as long as the page is open. A server that is away is asked again, with growing pauses. */
function follow(tell: (told: Told) => void): void {
  let pause = RETRY_MS;
  const become = (state: 'connecting' | 'live' | 'lost'): void => {
    connection.value = state;
    tell({ kind: 'connection', connection: state });
  };
  const open = (): void => {
    const source = new EventSource(
      withSession(`/api/events${last === undefined ? '' : `?since=${encodeURIComponent(last)}`}`),
    );
    const receive = ({ type, data, lastEventId }: MessageEvent<string>): void => {
      const event: PageEvent = { id: lastEventId, type, data: JSON.parse(data) };
      hear(event);
      tell({ kind: 'event', event });
    };
    for (const type of EVENT_TYPES) source.addEventListener(type, receive);
    source.addEventListener('open', () => {
      pause = RETRY_MS;
      become('live');
      // What the session may do can have changed while the server was away.
      void checkSession();
    });
    source.addEventListener('error', () => {
      // Not left to the browser: one that was refused is never asked again by it.
      source.close();
      become('lost');
      void checkSession();
      setTimeout(open, pause);
      pause = Math.min(pause * 2, RETRY_AT_MOST_MS);
    });
  };
  open();
}

/** Those of both contracts: a stream is heard by name. */
const EVENT_TYPES = [
  'reset',
  ...['peer', 'report', 'schedule', 'alarm', 'collect', 'message', 'invite', 'audit'],
  ...[
    'received',
    'offer',
    'presence',
    'member',
    'server',
    'connection',
    'directory',
    'transfer',
    'spool',
    'watch',
    'share',
  ],
];

/**
 * Runs a refresh when something has changed: at once, then at most once a second, never twice at a time. One that fails is run
 * again with the next change.
 */
export function refresher(refresh: () => Promise<unknown>, everyMs = 1_000): () => void {
  let isWanted = false;
  let isRunning = false;
  const run = async (): Promise<void> => {
    if (isRunning) return;
    isRunning = true;
    while (isWanted) {
      isWanted = false;
      await refresh().catch(() => undefined);
      await new Promise((wake) => setTimeout(wake, everyMs));
    }
    isRunning = false;
  };
  return () => {
    isWanted = true;
    void run();
  };
}
