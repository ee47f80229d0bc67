import {
  FilerError,
  type Entry,
  type EntryAnswer,
  type FileEnd,
  type FileStart,
  type ReceiptFile,
} from '@filer/protocol';
import type { Channel } from '../wire/channel.ts';
import { Receiver, type ReceiverOptions } from './receiver.ts';
import { outOfPlace } from '../wire/ending.ts';
import type { IncomingBlocks } from './incoming-blocks.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import { IncomingStreams, type Destination } from './incoming-streams.ts';
import type { Incoming } from './incoming.ts';
import { BoundedTasks } from '../wire/bounded-tasks.ts';
import type { StreamSink } from './stream-sink.ts';
import { NOT_SENT, WantedEntries, type Wanted } from './wanted-entries.ts';

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

/** The path of a file that has none, in its receipt. */
const NO_PATH = '-';

/** One file of a transfer, on its way into a stream; nothing else is wanted. */
class IncomingToStream implements Incoming, Destination<StreamSink> {
  readonly streams: IncomingStreams<StreamSink>;
  readonly #name: string;
  readonly #into: StreamSink;
  readonly #owner: IncomingOwner;
  readonly #entries: WantedEntries;
  readonly #commits: BoundedTasks;
  #isAnnounced = false;

  /** @param name of the file among the entries */
  constructor(name: string, into: StreamSink, owner: IncomingOwner) {
    this.#name = name;
    this.#into = into;
    this.#owner = owner;
    this.#entries = new WantedEntries(owner);
    this.#commits = new BoundedTasks((work) => owner.follow(work), Infinity);
    this.streams = new IncomingStreams(this, owner, this.#entries);
  }

  announce(first: number, entries: readonly Entry[]): Promise<EntryAnswer[]> {
    return Promise.resolve(entries.map((entry, index) => this.#decide(first + index, entry)));
  }

  #decide(number: number, { path: name, kind, size, mtimeNs, mode }: Entry): EntryAnswer {
    if (name !== this.#name || this.#isAnnounced) return { answer: 'unwanted' };
    if (kind !== 'file') {
      throw new FilerError(
        'path-unsupported',
        `${JSON.stringify(name)} is ${kind === 'dir' ? 'a folder' : 'not a file'}: only a file can go to standard output`,
      );
    }
    this.#isAnnounced = true;
    const about = { promised: undefined, isCounted: true, kept: undefined, files: [], hasOlder: false };
    this.#entries.add({ entry: number, name, size, facts: { mtimeNs, mode }, state: 'ahead', ...about });
    const { written } = this.#into;
    return written > 0 ? { answer: 'resume', bytes: written } : { answer: 'want' };
  }

  vouch(): Promise<void> {
    return Promise.resolve();
  }

  skip({ entry }: { readonly entry: number }): Promise<void> {
    return Promise.reject(outOfPlace(`skipping entry ${entry}`));
  }

  open(wanted: Wanted, { size }: FileStart): Promise<StreamSink> {
    wanted.size = size;
    this.#into.resize(size);
    return Promise.resolve(this.#into);
  }

  makeRoom(): Promise<void> {
    return Promise.resolve();
  }

  async whole(wanted: Wanted, blocks: IncomingBlocks<StreamSink>, end: FileEnd): Promise<void> {
    await this.#commits.begun(this.#commit(wanted, blocks, end));
  }

  async #commit(wanted: Wanted, blocks: IncomingBlocks<StreamSink>, end: FileEnd): Promise<void> {
    const { entry, name, size } = wanted;
    let file: ReceiptFile;
    try {
      const digests = await blocks.finish(end);
      await blocks.sink.commit();
      file = { entry, name, path: NO_PATH, size: end.size, ...digests, synced: false };
    } catch (error) {
      this.#entries.giveUp(wanted, error);
      this.#entries.forget(wanted);
      return;
    }
    await this.#owner.inPlace(file);
    this.#entries.finish(wanted);
    this.#owner.result({ name, size, status: 'delivered', path: NO_PATH, digest: file.digest });
  }

  async finish(): Promise<void> {
    if (this.streams.isOpen || this.#entries.isOwed) throw outOfPlace('done');
    await this.#commits.ended();
    this.#entries.failRest(NOT_SENT);
  }

  async stop(reason: FilerError): Promise<void> {
    await this.streams.stop();
    await this.#commits.ended();
    this.#entries.failRest(reason);
  }
}
