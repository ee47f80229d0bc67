import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { afterEach, expect, test, vi } from 'vitest';
import { jsonBody } from '../../../packages/program/src/http/json-body.ts';
import { HTTP_BODY_MS, MAX_HTTP_BODY_BYTES } from '../../../packages/program/src/http/limits.ts';

afterEach(() => vi.useRealTimers());

/** What a client has sent so far. */
function sent(text: string): { readonly incoming: IncomingMessage; readonly body: PassThrough } {
  const body = new PassThrough();
  body.write(text);
  return { incoming: body as unknown as IncomingMessage, body };
}

test('a body that does not end in time is given up', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const reading = jsonBody(sent('{"text":').incoming, new AbortController().signal);
  const failure = reading.catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(HTTP_BODY_MS);
  expect(await failure).toMatchObject({ code: 'timed-out' });
});

test('one that is larger than its bound, or no JSON, is refused', async () => {
  const { signal } = new AbortController();
  const large = sent(' '.repeat(MAX_HTTP_BODY_BYTES + 1));
  await expect(jsonBody(large.incoming, signal)).rejects.toMatchObject({ code: 'too-large' });
  const broken = sent('{');
  broken.body.end();
  await expect(jsonBody(broken.incoming, signal)).rejects.toMatchObject({ code: 'message-malformed' });
});

test('a client that goes away ends the reading', async () => {
  const controller = new AbortController();
  const reading = jsonBody(sent('{').incoming, controller.signal);
  controller.abort(new Error('gone, in a test'));
  await expect(reading).rejects.toThrow('gone, in a test');
});
