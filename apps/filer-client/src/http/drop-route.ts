import type { IncomingMessage } from 'node:http';
import { FilerError } from '@filer/protocol';
import type { Route } from '@filer/program';
import * as v from 'valibot';
import { uploadId } from '../api/contract/send.ts';
import type { DropOutcome, DropRequest } from '../send/drop-request.ts';

/** Sends what is dropped. */
export type Drop = (
  request: DropRequest,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
) => Promise<DropOutcome>;

/** A browser that has its answer early still sends; what it sends in this time is thrown away, in ms. */
const LINGER_MS = 3_000;

/**
 * `POST /api/drop?to=bob&to=@lab&note=…&upload=ID`, its body as `send/drop-entries.ts` draws it. With the `upload` of one that came it
 * answers what that has become.
 */
export function dropRoute(drop: Drop): Route {
  return {
    method: 'POST',
    path: '/api/drop',
    access: 'admin',
    describe: 'sends files and folders, which come as one stream, to `to`',
    gives: 'application/json',
    takes: 'application/octet-stream',
    handle: async ({ caller, url: { searchParams }, incoming, signal }) => {
      const to = searchParams.getAll('to');
      const note = searchParams.get('note') ?? '';
      // What came whole waits for its sync, however long that takes on a slow disk.
      incoming.once('end', () => incoming.socket.setTimeout(0));
      if (to.length === 0) throw new FilerError('usage', 'say to whom it goes: ?to=NAME');
      const id = searchParams.get('upload');
      if (id !== null && !v.is(uploadId, id))
        throw new FilerError('usage', '?upload= has to be 16 to 64 letters, digits, _ or -');
      const upload = id === null || caller === undefined ? undefined : { session: caller.id, id };
      try {
        // Its connection carries the answer: it stays when the body is left.
        const body = incoming.iterator({ destroyOnReturn: false });
        return Response.json(await drop({ to, note, upload }, body, signal));
      } finally {
        if (!incoming.readableEnded) leave(incoming);
      }
    },
  };
}

/** What still comes is not read. */
function leave(incoming: IncomingMessage): void {
  incoming.resume();
  setTimeout(() => incoming.destroy(), LINGER_MS).unref();
}
