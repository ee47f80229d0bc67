import {
  FilerError,
  Router,
  extrasAnswerMessage,
  errorMessage,
  removedMessage,
  workingMessage,
  type Extra,
  type ExtraKept,
} from '@filer/protocol';
import type { Channel } from '../wire/channel.ts';
import { dispatch, lastWord, lossOf, onAbort } from '../wire/ending.ts';
import { Requests } from '../wire/requests.ts';
import { StallWatchdog, type StallOptions } from '../wire/stall-watchdog.ts';
import type { SentFolder } from './gone-files.ts';
import { Mirror } from './mirror.ts';
import type { WalkOptions } from './walk.ts';

export interface PreviewOptions extends StallOptions {
  readonly ignored: WalkOptions['ignored'];
  readonly links?: WalkOptions['links'];
  readonly onRemoved: (extra: Extra, file: string) => void;
  readonly onKept: (kept: ExtraKept, file: string) => void;
  readonly signal?: AbortSignal | undefined;
}

interface Asking {
  readonly channel: Channel;
  readonly requests: Requests;
  readonly watchdog: StallWatchdog;
}

const router = new Router<Asking, Promise<void> | void>({ on: 'transfer', as: 'sender' })
  .onUnparsed(errorMessage, (message, { channel, requests }) => {
    if (message.header['re'] === undefined) throw lastWord(message.header, channel);
    requests.answered(message);
  })
  .onUnparsed(extrasAnswerMessage, (message, { requests }) => requests.answered(message))
  .onUnparsed(removedMessage, (message, { requests }) => requests.answered(message))
  .on(workingMessage, (_, { watchdog }) => watchdog.toldWorking());

/**
 * Asks a receiver what it would remove of what it was sent before, over a channel on which nothing of a transfer was said.
 *
 * @param tops folders, by name
 * @throws FilerError why that is not known
 */
export async function previewMirror(
  channel: Channel,
  tops: ReadonlyMap<string, readonly SentFolder[]>,
  { signal, ignored, links, onRemoved, onKept, ...pace }: PreviewOptions,
): Promise<void> {
  const requests = new Requests(channel);
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => undefined); // for when no one waits
  const fail = (error: FilerError): void => {
    channel.reject(error);
    requests.fail(error);
    over.reject(error);
  };
  using watchdog = new StallWatchdog({ announce: () => undefined, stalled: fail }, pace);
  const listen = async (): Promise<never> => {
    for await (const message of channel) {
      watchdog.exchanged();
      await dispatch(router, channel, message, { channel, requests, watchdog });
    }
    throw await lossOf(channel);
  };
  const listenNoMore = onAbort(signal, fail);
  listen().catch((error: unknown) =>
    fail(
      error instanceof FilerError ? error : new FilerError('internal', 'the sender failed', { cause: error }),
    ),
  );
  try {
    const mirror = new Mirror(requests, { ignored, links, expected: undefined, onRemoved, onKept });
    for (const folders of tops.values())
      await Promise.race([mirror.run(folders, () => Promise.resolve(true)), over.promise]);
  } finally {
    listenNoMore();
  }
}
