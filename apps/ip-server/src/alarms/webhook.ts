import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { messageOf } from '@filer/protocol';
import type { AlarmRoute, ToldAlarm } from './alarm-sender.ts';

export interface WebhookOptions {
  readonly url: URL;
  /** The bytes that both sides know. */
  readonly secret: Buffer;
  readonly software: string;
  /** ms since the epoch */
  readonly now: () => number;
  /** From the first look for the receiver's address to the end of its answer. @default 10 s */
  readonly timeoutMs?: number | undefined;
}

const TIMEOUT_MS = 10_000;

/** Of an answer nothing is used but its status; so much is read, so that an honest receiver ends in order. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** For how long a receiver may be away. */
const RETRY_FOR_MS = 24 * 3_600_000;

const AT_ONCE = 4;

/**
 * Posts alarms as the Standard Webhooks specification says
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md): `webhook-id` stays the
 * same for all tries, `webhook-timestamp` is that of the try in seconds, `webhook-signature` is `v1,` and the base64 of
 * the HMAC-SHA256 over `id.timestamp.body`. Redirects are not followed and no proxy is asked: what is told goes to the
 * address that the server's owner has named, and nowhere else.
 */
export function webhookRoute(options: WebhookOptions): AlarmRoute {
  const { timeoutMs = TIMEOUT_MS } = options;
  return {
    channel: 'webhook',
    atOnce: AT_ONCE,
    retryForMs: RETRY_FOR_MS,
    deliver: async (alarm, signal) => {
      const timeout = AbortSignal.timeout(timeoutMs);
      try {
        const status = await post(options, alarm, AbortSignal.any([timeout, signal]));
        return status >= 200 && status < 300 ? undefined : `it answered with status ${status}`;
      } catch (error) {
        if (timeout.aborted) return `it did not answer within ${timeoutMs / 1_000} s`;
        // An address that has several of its own fails with all of them, in `errors`.
        return messageOf(error instanceof AggregateError ? error.errors[0] : error);
      }
    },
  };
}

/** @returns the status of the answer */
async function post(
  { url, secret, software, now }: WebhookOptions,
  { id, payload }: ToldAlarm,
  signal: AbortSignal,
): Promise<number> {
  const timestamp = String(Math.floor(now() / 1_000));
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${payload}`).digest('base64');
  const body = Buffer.from(payload);
  const isHttps = url.protocol === 'https:';
  const [request, agent] = isHttps ? [requestHttps, new HttpsAgent()] : [requestHttp, new HttpAgent()];
  try {
    const sending = request(url, {
      method: 'POST',
      // Of its own: the one of the process may have been told to use a proxy.
      agent,
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': body.length,
        'user-agent': `ip-server/${software}`,
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
    });
    // Once an answer has begun, its own end says what went wrong.
    sending.on('error', () => undefined);
    sending.end(body);
    const [answer] = (await once(sending, 'response')) as [IncomingMessage];
    await ended(answer);
    return answer.statusCode ?? 0;
  } finally {
    agent.destroy();
  }
}

/** Resolves when an answer has come to its end, or is longer than anybody reads. */
async function ended(answer: IncomingMessage): Promise<void> {
  let left = MAX_ANSWER_BYTES;
  for await (const piece of answer) {
    left -= (piece as Buffer).length;
    if (left < 0) break;
  }
}
