import type { FilerError, Header, Message } from '@filer/protocol';

/**
 * The connection that one transfer has for itself: a `Messenger` is one. The engine never closes it after an
 * orderly end; after a failure it does.
 */
export interface Channel extends AsyncIterable<Message> {
  /** The other side, for people. */
  readonly who?: string | undefined;
  /**
   * Resolves when the bytes were handed to the operating system.
   *
   * @param content belongs to the channel until then
   */
  send(header: Header, content?: Uint8Array): Promise<void>;
  /** Sends frames that are laid out, one after the other, in one write; they belong to the channel until then. */
  sendFrames?(frames: Buffer): Promise<void>;
  /** Takes no larger contents from now on. */
  setLimits?(limits: { readonly maxContentBytes: number }): void;
  /** Takes back the memory of a received content that no one uses any more. */
  recycle?(content: Buffer): void;
  /** Tells the other side why in one `error` message, then closes. */
  reject(error: FilerError): void;
  /** Resolves when the connection is gone: undefined after an orderly end, else the reason. */
  readonly closed: Promise<FilerError | undefined>;
}

/** Sends a message that is already laid out. */
export function send(channel: Channel, { header, content }: Message): Promise<void> {
  return channel.send(header, content);
}
