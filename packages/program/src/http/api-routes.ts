import { FilerError, Shares } from '@filer/protocol';
import { failureBody } from './http-failure.ts';
import { jsonInTurns } from './json-in-turns.ts';
import { HTTP_ANSWER_BYTES, STREAM_HEARTBEAT_MS } from './limits.ts';
import type { RouteRequest } from './route.ts';
import { TextStream } from './text-stream.ts';
import { LOCAL_CALLER, type Served } from '../rpc/implement.ts';

const answers = new Shares(HTTP_ANSWER_BYTES);

/** Calls a method and answers with its result. */
export async function documentAnswer(
  method: Served,
  params: unknown,
  { caller = LOCAL_CALLER, signal }: RouteRequest,
): Promise<Response> {
  const result = await method(params, { caller, emit: () => Promise.resolve(), signal });
  const body = await jsonInTurns(result ?? null);
  signal.throwIfAborted(); // no one reads it, and nothing would tell when it has gone
  if (!answers.tryAdd(caller.id, body.length)) {
    throw new FilerError(
      'rate-limited',
      'too many answers to this token wait to be read: read them, and ask again',
    );
  }
  signal.addEventListener('abort', () => answers.giveBack(caller.id, body.length), { once: true });
  const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
  return new Response(new Uint8Array(body), { headers });
}

/**
 * Calls a method that tells items: a line for each, at the pace of the reader, and one for the end. Empty lines keep a quiet answer
 * open. What fails before its first item has the status of the failure.
 */
export async function itemsAnswer(
  method: Served,
  params: unknown,
  { caller = LOCAL_CALLER, signal, lasts }: RouteRequest,
): Promise<Response> {
  const stream = new TextStream(signal);
  const begun = Promise.withResolvers<'begun'>();
  const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
  const emit = async (...items: readonly unknown[]): Promise<void> => {
    signal.throwIfAborted();
    begun.resolve('begun');
    await stream.write(items.map((item) => line({ item })).join(''));
  };
  const alive = setInterval(() => void stream.write('\n').catch(() => undefined), STREAM_HEARTBEAT_MS);
  const result = method(params, { caller, emit, signal });
  const ending = async (): Promise<void> => {
    try {
      await stream.write(
        await result.then(
          (value) => line({ result: value ?? null }),
          (error: unknown) => line(failureBody(error)),
        ),
      );
    } catch {
      // The reader is gone.
    }
    clearInterval(alive);
    await stream.end();
  };
  lasts(ending());
  try {
    await Promise.race([begun.promise, result]);
  } catch (error) {
    // Its line is read by no one.
    void stream.body.cancel().catch(() => undefined);
    throw error;
  }
  return new Response(stream.body, { headers: { 'content-type': 'application/x-ndjson' } });
}
