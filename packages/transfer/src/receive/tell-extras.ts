import {
  FilerError,
  Router,
  extrasMessage,
  formatError,
  formatExtrasAnswer,
  formatRemoved,
  formatTransferWord,
  removeMessage,
} from '@filer/protocol';
import { Folder } from '../disk/folder.ts';
import { parseSafePath } from '../disk/safe-path.ts';
import { send, type Channel } from '../wire/channel.ts';
import { dispatch, onAbort, outOfPlace } from '../wire/ending.ts';
import { StallWatchdog, type StallOptions } from '../wire/stall-watchdog.ts';
import { FolderPath } from '../disk/folder-path.ts';
import type { Deliveries } from './deliveries.ts';
import { ExistingDigests } from './existing-digests.ts';
import { Extras } from './extras.ts';
import type { Standing } from './ownership.ts';
import type { ReceiveOptions } from './receive-options.ts';
import { requireMirror } from './receive-policy.ts';

export interface TellExtrasOptions extends StallOptions, Pick<ReceiveOptions, 'inbox' | 'known' | 'policy'> {
  readonly deliveries: Deliveries;
  /** Where in the inbox what this sender sends now goes. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
}

interface Telling {
  readonly channel: Channel;
  readonly extras: Extras;
  readonly watchdog: StallWatchdog;
}

const router = new Router<Telling, Promise<void> | void>({ on: 'transfer', as: 'receiver' })
  .on(extrasMessage, async ({ id, ...asked }, { channel, extras, watchdog }) => {
    await send(channel, formatExtrasAnswer({ re: id, ...(await watchdog.work(extras.list(asked))) }));
  })
  .on(removeMessage, async ({ id, names, dryRun }, { channel, extras, watchdog }) => {
    if (!dryRun) throw outOfPlace('a removal');
    const { kept } = await watchdog.work(extras.remove(names, true));
    await send(channel, formatRemoved({ re: id, removed: null, kept }));
  });

/**
 * Tells a sender what it delivered before, and what of it would be removed, over a channel whose next message asks for that.
 * Nothing is removed. Resolves when the sender is gone.
 */
export async function tellExtras(channel: Channel, options: TellExtrasOptions): Promise<void> {
  const { inbox, folder: path, deliveries, known, policy = {}, signal, ...pace } = options;
  const gone = new AbortController();
  void channel.closed.then(() => gone.abort());
  const listenNoMore = onAbort(signal, (reason) => channel.reject(reason));
  using root = Folder.openOwn(inbox);
  using way = new FolderPath(root);
  const files = new ExistingDigests({ known, checksum: false, signal: gone.signal });
  const where = { root: way.at(path === '' ? [] : parseSafePath(path)), path };
  const stands = (): Standing => 'no';
  const isAnnounced = (): boolean => true; // nothing is announced, and nothing removed
  const none = { job: undefined, stands, isAnnounced, sync: false, mark: undefined, removed: undefined };
  using extras = new Extras({ ...where, ...none, deliveries, files, gone: gone.signal });
  using watchdog = new StallWatchdog(
    {
      announce: () => void send(channel, formatTransferWord('working')).catch(() => undefined),
      stalled: (error) => channel.reject(error),
    },
    pace,
  );
  try {
    for await (const message of channel) {
      watchdog.exchanged();
      try {
        requireMirror(policy);
        await dispatch(router, channel, message, { channel, extras, watchdog });
      } catch (error) {
        if (!(error instanceof FilerError)) throw error;
        await send(channel, { header: formatError(error, message.header['id']), content: Buffer.alloc(0) });
        if (error.code === 'unexpected-message') return;
      }
    }
  } catch (error) {
    if (!(error instanceof FilerError)) throw error; // the sender is gone
  } finally {
    listenNoMore();
  }
}
