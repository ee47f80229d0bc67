import type { Requests } from '../wire/requests.ts';
import type { SentFolder } from './gone-files.ts';
import { Mirror } from './mirror.ts';
import type { SendOptions } from './send-options.ts';
import type { SentEntries } from './sent-entries.ts';

interface MirrorSentOptions extends SendOptions {
  readonly job: string;
  /** That were sent, by name. */
  readonly folders: ReadonlyMap<string, readonly SentFolder[]>;
  readonly entries: Pick<SentEntries, 'isDelivered'>;
  /** Resolves when the receipts that came are stored. */
  readonly settled: () => Promise<void>;
}

/** Has a receiver remove what is no longer here, of folders of which all that is here was delivered. */
export async function mirrorSent(requests: Requests, options: MirrorSentOptions): Promise<void> {
  const { network, senderId: sender, receiverId: receiver, job, ignored, links, on } = options;
  const mirror = new Mirror(requests, {
    ignored,
    links,
    expected: { network, sender, receiver, job },
    removedBefore: options.removedBefore,
    keep: options.keepRemoved,
    onRemoved: (extra, file) => on?.({ type: 'removed', file, extra }),
    onKept: ({ code, message }, file) => on?.({ type: 'not-removed', file, code, message }),
  });
  for (const [name, folders] of options.folders)
    await mirror.run(folders, async () => {
      await options.settled();
      const why = !options.entries.isDelivered(name)
        ? 'not all of it was delivered'
        : options.provesGone?.() === false
          ? 'the folder is not known to be the one that was watched before'
          : undefined;
      if (why === undefined) return true;
      const message = `${why}, so nothing is removed at the receiver`;
      for (const { file } of folders) on?.({ type: 'not-removed', file, code: 'partial', message });
      return false;
    });
}
