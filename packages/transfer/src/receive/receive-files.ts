import { join } from 'node:path';
import type { Channel } from '../wire/channel.ts';
import type { ReceiveOptions } from './receive-options.ts';
import { Receiver, type ReceiveOutcome } from './receiver.ts';
import { takeOffer } from './take-offer.ts';

/**
 * Receives files over a channel whose next message is the offer.
 *
 * What goes wrong, with one file or with all, stands in the outcome; only a bug makes it reject. After an
 * orderly end (a refused offer is one) the channel is still open, and its owner's to close.
 */
export function receiveFiles(channel: Channel, options: ReceiveOptions): Promise<ReceiveOutcome> {
  const { inbox, record, policy } = options;
  return new Receiver(
    channel,
    { ...options, maxEntries: policy?.maxEntries },
    {
      accept: (offer, asker, owner) => takeOffer(offer, options, asker, owner),
      record: (file, { job, note }) => record?.({ ...file, job, note, file: join(inbox, file.path) }),
    },
  ).run();
}
