import { once } from 'node:events';
import { constants, createGzip } from 'node:zlib';
import { aborted } from '@filer/protocol';
import type { RouteRequest } from './route.ts';

/** Answers of less are sent as they are, in bytes: they fit one packet anyhow. */
const COMPRESSED_FROM_BYTES = 1_024;

/**
 * Compresses an answer where its reader takes that, on another thread. What is written together is sent at once, so that items come
 * when they are told.
 *
 * Only for answers without a secret: from the lengths of compressed answers in which somebody can have words of his own, he could guess
 * what else is in them.
 */
export function compressed(
  answer: Response,
  { incoming, signal }: Pick<RouteRequest, 'incoming' | 'signal'>,
): Response {
  const { body, headers, status } = answer;
  const length = headers.get('content-length');
  if (body === null || (length !== null && Number(length) < COMPRESSED_FROM_BYTES)) return answer;
  headers.set('vary', 'accept-encoding');
  if (incoming.method === 'HEAD' || encodingFor(incoming.headers['accept-encoding'], ['gzip']) === undefined)
    return answer;
  headers.set('content-encoding', 'gzip');
  headers.delete('content-length');
  return new Response(gzipped(body, signal), { status, headers });
}

/** At the pace of its reader: one piece is compressed when it asks for more. The streams of Node do not end one that waits. */
function gzipped(body: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const source = body.getReader();
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
  const stop = async (reason: unknown): Promise<void> => {
    gzip.destroy();
    await source.cancel(reason).catch(() => undefined);
  };
  void aborted(signal).then(() => stop(signal.reason));
  let given = 0;
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        gzip.on('data', (piece: Buffer) => {
          given++;
          controller.enqueue(new Uint8Array(piece));
        });
        gzip.once('error', (error) => controller.error(error));
      },
      pull: async (controller) => {
        const before = given;
        while (given === before) {
          const { done, value } = await source.read();
          if (done) {
            gzip.end();
            await once(gzip, 'end');
            controller.close();
            return;
          }
          await new Promise<void>((resolve) => void gzip.write(value, () => resolve()));
        }
      },
      cancel: stop,
    },
    { highWaterMark: 0 },
  );
}

/** @param accepted the header of the request @param known the best one first @returns undefined for none */
export function encodingFor<E extends string>(
  accepted: string | undefined,
  known: readonly E[],
): E | undefined {
  const taken = (accepted ?? '')
    .toLowerCase()
    .split(',')
    .map((each) => each.trim().split(/\s*;\s*q\s*=\s*/))
    .filter(([, weight = '1']) => Number(weight) > 0)
    .map(([name]) => name);
  return known.find((each) => taken.includes(each));
}
