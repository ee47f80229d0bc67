/* The content of a message, as its declaration names it: what reads and writes it, and its limits. */
import { FilerError } from '../errors.ts';
import { formatJson, parseJson } from './json.ts';

/** @typeParam C what is read of it; it joins the fields of the header @typeParam G what is written */
export interface Content<C extends object, G extends object = C> {
  /** What a table shows of it. */
  readonly shape: string;
  readonly limit: string;
  /** @param what names the message in an error @throws FilerError `message-malformed` */
  read(content: Buffer, what: string): C;
  write(value: G): Buffer;
}

/** Bytes as they are, under `content`. */
export function bytes(min: number, max: number): Content<{ readonly content: Buffer }> {
  return {
    shape: 'bytes',
    limit: `${min} to ${max} bytes`,
    read: (content, what) => {
      if (content.length >= min && content.length <= max) return { content };
      throw new FilerError(
        'message-malformed',
        `a ${what} of ${content.length} bytes is not within ${min} to ${max}`,
      );
    },
    write: ({ content }) => content,
  };
}

interface Json<C extends object, G extends object> {
  /** As `{ path, name }`, or `[{ name, size }]`. */
  readonly shape: string;
  readonly maxBytes: number;
  readonly read: (value: unknown, what: string) => C;
  /** What is written as JSON; bytes are laid out already. */
  readonly write: (value: G) => unknown;
}

export function json<C extends object, G extends object = C>({
  shape,
  maxBytes,
  read,
  write,
}: Json<C, G>): Content<C, G> {
  return {
    shape: `JSON \`${shape}\``,
    limit: `${maxBytes} bytes`,
    read: (content, what) => read(parseJson(content, what, maxBytes), what),
    write: (value) => {
      const written = write(value);
      return Buffer.isBuffer(written) ? written : formatJson(written);
    },
  };
}
