import { setTimeout as wait } from 'node:timers/promises';
import { unlessAborted } from '@filer/protocol';
import { STREAM_DELTA_MS, STREAM_HEARTBEAT_MS } from './limits.ts';
import type { TextStream } from './text-stream.ts';

interface StreamedEvent {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
}

/** What a stream reads: an event ring. */
export interface EventSource {
  batches(from: {
    readonly since?: string | undefined;
    readonly signal: AbortSignal;
  }): AsyncGenerator<readonly StreamedEvent[], void, void>;
}

export interface StreamTimes {
  /** @default STREAM_DELTA_MS */
  readonly deltaMs?: number;
  /** @default STREAM_HEARTBEAT_MS */
  readonly heartbeatMs?: number;
}

/**
 * Writes events as server-sent events until the ring ends: what has come meanwhile together, each change once. A reader is a place in
 * the ring, so a slow one costs nothing, and begins with `reset` again when it has missed something.
 *
 * @param isWelcome is asked as often as there is a heartbeat; a stream whose token has expired ends
 * @throws the reason of `signal`, of a reader that went away
 */
export async function streamEvents(
  source: EventSource,
  stream: TextStream,
  since: string | undefined,
  isWelcome: () => Promise<boolean>,
  signal: AbortSignal,
  { deltaMs = STREAM_DELTA_MS, heartbeatMs = STREAM_HEARTBEAT_MS }: StreamTimes = {},
): Promise<void> {
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  const reading = source.batches({ since, signal: stop });
  const read = (): ReturnType<typeof reading.next> => {
    const next = reading.next();
    next.catch(() => undefined); // where the stream has ended meanwhile, nothing waits for it
    return next;
  };
  try {
    // Says at once that the stream is there, and how soon to come again after it has ended.
    await stream.write(`retry: ${deltaMs}\n\n`);
    let next = read();
    let askedAt = performance.now();
    for (;;) {
      if (performance.now() - askedAt >= heartbeatMs) {
        if (!(await isWelcome())) return;
        askedAt = performance.now();
      }
      const beat = new AbortController();
      const timer = wait(heartbeatMs, undefined, { signal: beat.signal }).then(
        () => undefined,
        () => undefined,
      );
      const batch = await unlessAborted(Promise.race([next, timer]), stop);
      beat.abort();
      if (batch === undefined) {
        await stream.write(': still here\n\n');
        continue;
      }
      if (batch.done === true) return;
      await stream.write(eachOnce(batch.value).map(lines).join(''));
      await wait(deltaMs, undefined, { signal: stop });
      next = read();
    }
  } finally {
    ended.abort();
    await reading.return().catch(() => undefined);
  }
}

/** Of equal events the last one: its id is the place from which a reader continues. */
function eachOnce(events: readonly StreamedEvent[]): StreamedEvent[] {
  const last = new Map<string, StreamedEvent>();
  for (const event of events) {
    const key = `${event.type} ${JSON.stringify(event.data)}`;
    last.delete(key);
    last.set(key, event);
  }
  return [...last.values()];
}

function lines({ id, type, data }: StreamedEvent): string {
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
