import { formatJson, type Digests, type Header, type Message, type Messenger } from '@filer/protocol';
import { FileDigests, receiveFiles, sendFiles, type ReceiveOptions, type SendOptions } from '@filer/transfer';
import { connected, receiveOptions, sendOptions, type TwoEnds } from './two-ends.ts';

/** One end of a transfer that a test plays by hand. */
export class Hand {
  readonly messenger: Messenger;
  readonly #messages: AsyncIterator<Message>;

  constructor(messenger: Messenger) {
    this.messenger = messenger;
    this.#messages = messenger[Symbol.asyncIterator]();
  }

  async say(header: Header, content?: unknown): Promise<void> {
    const bytes = content === undefined || Buffer.isBuffer(content) ? content : formatJson(content);
    await this.messenger.send(header, bytes);
  }

  /** The next message that is of one of `types`; undefined when the connection ends first. */
  async hear(...types: string[]): Promise<Message | undefined> {
    for (;;) {
      const next = await this.#messages.next();
      if (next.done === true) return undefined;
      if (types.length === 0 || types.includes(next.value.header['type'] ?? '')) return next.value;
    }
  }

  /** Offers files by name and size, and announces them; all have the same time and mode. */
  async offer(files: Record<string, number>): Promise<void> {
    const names = Object.keys(files);
    const bytes = Object.values(files).reduce((sum, size) => sum + size, 0);
    const totals = { complete: '1', files: String(names.length), bytes: String(bytes) };
    await this.say({ type: 'offer', id: 'o', job: 'job', ...totals }, { names, note: '' });
    await this.hear('answer');
    const entries = names.map((path) => ({
      path,
      kind: 'file',
      size: files[path],
      mtimeNs: '0',
      mode: 0o644,
    }));
    await this.say({ type: 'entries', id: 'e', first: '0', last: '1' }, entries);
    await this.hear('entries-answer');
  }

  async file(entry: number, size: number): Promise<void> {
    await this.say({ type: 'file', entry: String(entry), size: String(size), mtimeNs: '0', mode: '420' });
  }

  async chunk(entry: number, offset: number | string, content: Buffer): Promise<void> {
    await this.say({ type: 'chunk', entry: String(entry), offset: String(offset) }, content);
  }

  /** The end of a file with this content. */
  async end(entry: number, content: Buffer, size = content.length): Promise<void> {
    await this.say({ type: 'end', entry: String(entry), size: String(size), ...digestsOf(content) });
  }
}

export function digestsOf(content: Buffer): Digests {
  const digests = new FileDigests();
  digests.update(content);
  return digests.finish();
}

/** A real receiver, and a sender that the test plays. */
export async function withReceiver(ends: TwoEnds, options: Partial<ReceiveOptions> = {}) {
  const { dialler, accepter } = await connected();
  const outcome = receiveFiles(accepter, receiveOptions(ends, options));
  return { hand: new Hand(dialler), messenger: accepter, outcome };
}

/** A real sender, and a receiver that the test plays. */
export async function withSender(
  ends: TwoEnds,
  files: readonly string[],
  options: Partial<SendOptions> = {},
) {
  const { dialler, accepter } = await connected();
  const outcome = sendFiles(accepter, sendOptions(ends, files, options));
  return { hand: new Hand(dialler), messenger: accepter, outcome };
}
