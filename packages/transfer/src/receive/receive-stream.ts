import { FilerError } from '@filer/protocol';
import type { Channel } from '../wire/channel.ts';
import { IncomingToStream } from './incoming-to-stream.ts';
import { Receiver, type ReceiverOptions } from './receiver.ts';
import type { StreamSink } from './stream-sink.ts';

export interface ReceiveStreamOptions extends Omit<ReceiverOptions, 'mayBeNothing' | 'on'> {
  /** The one name that was asked for. */
  readonly name: string;
  readonly into: StreamSink;
  readonly onProgress?: ((fileBytes: number, fileSize: number) => void) | undefined;
}

export interface StreamOutcome {
  /** Why not all of the file was written, and verified; undefined when it was. */
  readonly error?: FilerError;
  /** Content bytes that came over this connection. */
  readonly bytesReceived: number;
}

/**
 * Receives one file into a stream, over a channel whose next message is the offer. What an earlier connection wrote
 * is compared, and the file continues after it.
 *
 * What goes wrong stands in the outcome; only a bug makes it reject.
 */
export async function receiveStream(channel: Channel, options: ReceiveStreamOptions): Promise<StreamOutcome> {
  const { name, into, onProgress, ...rest } = options;
  const receiver = new Receiver(
    channel,
    {
      ...rest,
      mayBeNothing: true,
      on: (event) => {
        if (event.type === 'progress') onProgress?.(event.fileBytes, event.fileSize);
      },
    },
    {
      accept: (offer, _asker, owner) => {
        const incoming = new IncomingToStream(name, into, owner);
        return Promise.resolve({ offer, incoming, [Symbol.dispose]: () => undefined });
      },
    },
  );
  const { error, files, bytesReceived } = await receiver.run();
  // Whatever befell the connection afterwards.
  if (into.isWhole) return { bytesReceived };
  const [failed] = files;
  const ofFile = failed?.code === undefined ? undefined : new FilerError(failed.code, failed.message ?? '');
  const missing = new FilerError('path-missing', 'the file was not sent');
  return { bytesReceived, error: error ?? ofFile ?? missing };
}
