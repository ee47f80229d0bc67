import type { IncomingMessage } from 'node:http';
import { FilerError, parseJson, within } from '@filer/protocol';
import { HTTP_BODY_MS, MAX_HTTP_BODY_BYTES } from './limits.ts';

/**
 * Reads the JSON of a request.
 *
 * @throws FilerError `too-large`, `timed-out`, `message-malformed`, the reason of `signal`
 */
export async function jsonBody(incoming: IncomingMessage, signal: AbortSignal): Promise<unknown> {
  const late = new FilerError('timed-out', `the body did not come within ${HTTP_BODY_MS / 1_000} s`);
  const content = await within(HTTP_BODY_MS, late, signal, () => contentOf(incoming));
  return content.length === 0 ? {} : parseJson(content, 'the body', MAX_HTTP_BODY_BYTES);
}

async function contentOf(incoming: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of incoming.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(piece)) continue;
    bytes += piece.length;
    if (bytes > MAX_HTTP_BODY_BYTES)
      throw new FilerError('too-large', `the body is larger than ${MAX_HTTP_BODY_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
