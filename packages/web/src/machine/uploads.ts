import { signal } from '@preact/signals';
import { connection } from '../ui/events.ts';
import { sessionHeaders } from '../ui/session.ts';
import { announce } from '../ui/toasts.tsx';
import { api } from './api.ts';
import { transfers, until } from './documents.ts';
import { dropBody, pickedBytes, pickedWords, unreadable, type Picked } from './picked.ts';

/** What is handed to the daemon now, or could not be. */
export interface Upload {
  readonly number: number;
  readonly what: string;
  readonly to: readonly string[];
  readonly bytes: number;
  readonly bytesDone: number;
  /** Why it ended before its end. */
  readonly problem: string | undefined;
  /** Whether the daemon is away, and is waited for. */
  readonly isWaiting: boolean;
  readonly stop: () => void;
  /** Undefined where that cannot help. */
  readonly again: (() => void) | undefined;
}

export const uploads = signal<readonly Upload[]>([]);

/** A daemon that restarts is there again soon: after so many tries a person decides. */
const TRIES = 3;

let count = 0;

/**
 * Hands what was picked to the daemon, which sends it.
 *
 * @param to names, `@group`, `@all`
 * @param id by which the daemon knows it again, when the page did not hear that it came
 */
export function upload(
  things: readonly Picked[],
  to: readonly string[],
  note = '',
  id: string = crypto.randomUUID(),
): void {
  if (things.length === 0) {
    announce('There was nothing to send in what was dropped.', true);
    return;
  }
  const number = ++count;
  const stopping = new AbortController();
  const change = (values: Partial<Upload>): void => {
    uploads.value = uploads.value.map((each) => (each.number === number ? { ...each, ...values } : each));
  };
  const remove = (): void => {
    uploads.value = uploads.value.filter((each) => each.number !== number);
  };
  const fresh: Upload = {
    number,
    what: pickedWords(things),
    to,
    bytes: pickedBytes(things),
    bytesDone: 0,
    problem: undefined,
    isWaiting: false,
    stop: () => {
      stopping.abort();
      remove();
    },
    again: () => {
      remove();
      upload(things, to, note, id);
    },
  };
  uploads.value = [...uploads.value, fresh];
  const files = things.filter(({ file }) => file !== undefined).length;
  const run = async (): Promise<void> => {
    const { signal: stop } = stopping;
    for (let tries = 1; ; tries++) {
      try {
        const { job } = await api.read(
          'dropCheck',
          { to, note, files, entries: things.length, bytes: fresh.bytes, upload: id },
          { signal: stop },
        );
        if (job !== null) break;
        const query = new URLSearchParams([
          ...to.map((each) => ['to', each]),
          ['note', note],
          ['upload', id],
        ]);
        await post(dropBody(things), query, stop, (bytesDone) => change({ bytesDone }));
        break;
      } catch (error) {
        if (stop.aborted) return;
        const changed = error instanceof Away ? await unreadable(things) : undefined;
        if (changed !== undefined) {
          const problem = `${changed} changed or disappeared since it was dropped: drop it again`;
          change({ problem, again: undefined, isWaiting: false });
          return;
        }
        const isAway = error instanceof Away || codeOf(error) === 'unreachable';
        if (!isAway || tries >= TRIES) {
          change({ problem: error instanceof Error ? error.message : 'it failed', isWaiting: false });
          return;
        }
        change({ isWaiting: true, bytesDone: 0 });
        await new Promise((wake) => setTimeout(wake, 1_000));
        await until(() => connection.value === 'live');
        change({ isWaiting: false });
      }
    }
    remove();
    transfers().refresh();
  };
  void run();
}

/** The daemon went away, or a file cannot be read any more: a browser does not say which. */
class Away extends Error {}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** Not `fetch`: that tells of no progress while it sends. */
function post(
  body: Blob,
  query: URLSearchParams,
  stop: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/api/drop?${query}`);
    const headers = { ...sessionHeaders(), 'content-type': 'application/octet-stream' };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', ({ loaded }) => onProgress(loaded));
    request.addEventListener('load', () => {
      if (request.status === 200) resolve();
      else reject(new Error(messageIn(request.responseText)));
    });
    const away = 'the daemon went away, or a file changed or disappeared while it was read';
    request.addEventListener('error', () => reject(new Away(away)));
    request.addEventListener('abort', () => reject(new Away('stopped')));
    stop.addEventListener('abort', () => request.abort(), { once: true });
    request.send(body);
  });
}

function messageIn(text: string): string {
  try {
    const answer: unknown = JSON.parse(text);
    return messageOf(errorIn(answer)) ?? 'the daemon did not take it';
  } catch {
    return 'the daemon did not take it';
  }
}

function errorIn(answer: unknown): unknown {
  return typeof answer === 'object' && answer !== null && 'error' in answer ? answer.error : undefined;
}

function messageOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : undefined;
}
