/*
 * The message table: each message is declared once, and what formats and parses it, who may say it to whom on which
 * connection, the example of the specification and the tables of docs/protocol.md come from that declaration.
 */
import { FilerError, quoted } from '../errors.ts';
import type { Header, Message } from '../header.ts';
import type { Content } from './content.ts';
import { readFields, writeFields, type Field, type FieldSet, type GivenOf, type ValueOf } from './field.ts';
import type { Fields } from './json.ts';
import type { Route } from './route.ts';

export interface Declaration<S extends FieldSet, C extends object, G extends object> {
  /** Its name on the wire. */
  readonly type: string;
  readonly routes: readonly Route[];
  /** Beside `type`, and `id` and `re` where the session sets them. */
  readonly header?: S;
  readonly content?: Content<C, G>;
  /** What answers it, beside `error`. A message that has an answer has an `id`. @default none */
  readonly answers?: readonly Pick<MessageType, 'type'>[];
  /** Whether it may come without an `id`, and is then not answered. @default false */
  readonly idOptional?: boolean;
  /** For docs/protocol.md, which shows each message once. @default the page has one that was written by hand */
  readonly example?: GivenOf<S> & G;
  /** What holds between its fields. @throws FilerError `message-malformed` */
  readonly check?: (value: ValueOf<S> & C) => void;
  /** Whether a transfer in which it comes is not standing still. @default true */
  readonly isProgress?: boolean;
}

/** @typeParam V what is parsed @typeParam G what is formatted @typeParam H the part of it in the header */
export interface MessageType<V extends object = object, G extends object = never, H extends object = never> {
  readonly type: string;
  readonly routes: readonly Route[];
  readonly fields: readonly (readonly [string, Field<unknown>])[];
  readonly content: Pick<Content<object>, 'shape' | 'limit'> | undefined;
  readonly answers: readonly string[];
  readonly idOptional: boolean;
  readonly isProgress: boolean;
  readonly example: Message | undefined;
  readonly is: (message: Message) => boolean;
  /** @throws FilerError `unexpected-message` for another type, `message-malformed`, what its fields throw */
  readonly parse: (message: Message) => V;
  readonly format: (value: G) => Message;
  /** For those who have its content laid out. */
  readonly formatHeader: (value: H) => Header;
}

/** What is parsed of a message. */
export type Parsed<M> = M extends { readonly parse: (message: Message) => infer V } ? V : never;

/** What is formatted of it: what may be left out may be undefined. */
export type Given<M> = M extends { readonly format: (value: infer G) => Message } ? G : never;

const NO_CONTENT = Buffer.alloc(0);

const declared = new Map<string, MessageType>();

/** Declares a message. */
export function message<
  const S extends FieldSet = Readonly<Record<never, never>>,
  C extends object = object,
  G extends object = C,
>(declaration: Declaration<S, C, G>): MessageType<ValueOf<S> & C, GivenOf<S> & G, GivenOf<S>>;
export function message(
  declaration: Declaration<FieldSet, object, object>,
): MessageType<object, Fields, Fields> {
  const {
    type,
    routes,
    content,
    answers = [],
    idOptional = false,
    isProgress = true,
    check,
    example,
  } = declaration;
  const fields = Object.entries(declaration.header ?? {});
  const formatHeader = (value: Fields): Header => {
    const header: Record<string, string> = { type };
    writeFields(fields, value, header);
    return header;
  };
  const format = (value: Fields): Message => ({
    header: formatHeader(value),
    content: content?.write(value) ?? NO_CONTENT,
  });
  const made: MessageType<object, Fields, Fields> = {
    example: example === undefined ? undefined : format({ ...example }),
    type,
    routes,
    fields,
    content,
    answers: answers.map((answer) => answer.type),
    idOptional,
    isProgress,
    is: ({ header }) => header['type'] === type,
    parse: ({ header, content: received }) => {
      expectType(header, type);
      const value: Record<string, unknown> = {};
      readFields(fields, header, '', value);
      if (content !== undefined) Object.assign(value, content.read(received, type));
      check?.(value);
      return value;
    },
    format,
    formatHeader,
  };
  if (declared.has(type)) throw new Error(`the message ${type} is declared twice`);
  declared.set(type, made);
  return made;
}

/** Every message, in the order of declaration. */
export function messageTypes(): readonly MessageType[] {
  return [...declared.values()];
}

/** The declaration of a type; undefined for a type that is not known. */
export function messageType(type: string): MessageType | undefined {
  return declared.get(type);
}

/** Whether a message is one of a transfer's own that shows that it does not stand still. */
export function isTransferProgress({ type = '' }: Header): boolean {
  const declaration = declared.get(type);
  return declaration?.isProgress === true && declaration.routes.some(({ on }) => on === 'transfer');
}

/** @throws FilerError `unexpected-message` */
export function expectType(header: Header, type: string): void {
  if (header['type'] === type) return;
  throw new FilerError(
    'unexpected-message',
    `expected ${type}, got ${quoted(header['type'] ?? 'a message without a type')}`,
  );
}
