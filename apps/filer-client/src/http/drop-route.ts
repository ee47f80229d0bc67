import { FilerError } from '@filer/protocol';
import type { Route } from '@filer/program';

/** Sends what is dropped. */
export type Drop = (
  request: { readonly to: readonly string[]; readonly note: string },
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
) => Promise<object>;

/** A browser that is told why its drop is refused still sends; what it sends in this time is thrown away, in ms. */
const LINGER_MS = 3_000;

/** `POST /api/drop?to=bob&to=@lab&note=…`, its body as `send/drop-entries.ts` draws it. */
export function dropRoute(drop: Drop): Route {
  return {
    method: 'POST',
    path: '/api/drop',
    access: 'admin',
    describe: 'sends files and folders, which come as one stream, to `to`',
    gives: 'application/json',
    takes: 'application/octet-stream',
    handle: async ({ url: { searchParams }, incoming, signal }) => {
      const to = searchParams.getAll('to');
      const note = searchParams.get('note') ?? '';
      // What came whole waits for its sync, however long that takes on a slow disk.
      incoming.once('end', () => incoming.socket.setTimeout(0));
      if (to.length === 0) throw new FilerError('usage', 'say to whom it goes: ?to=NAME');
      try {
        // Its connection carries the answer: it stays when the body is left.
        return Response.json(await drop({ to, note }, incoming.iterator({ destroyOnReturn: false }), signal));
      } catch (error) {
        incoming.resume();
        setTimeout(() => incoming.destroy(), LINGER_MS).unref();
        throw error;
      }
    },
  };
}
