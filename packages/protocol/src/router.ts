import { FilerError } from './errors.ts';
import type { Header, Message } from './header.ts';
import { messageType, type MessageType } from './messages/declaration.ts';
import { leadsTo, type Party, type Place } from './messages/route.ts';
import { unsupported, type Handler, type Reply, type Session } from './session.ts';

/** Handles one message. @param value as its declaration parses it */
export type Handle<V, C, R> = (value: V, context: C, message: Message) => R;

/** What a handler of a session is told, at least. */
export interface InSession {
  readonly session: Session;
}

/** What a handler of a session answers. */
export type Answer = ReturnType<Handler>;

/**
 * Hands each message that comes to one side of one kind of connection to the handler of its type, parsed. Who has a
 * message to handle registers for it; what the table does not lead here cannot be registered.
 *
 * @typeParam C what a handler is told beside the message @typeParam R what it returns
 */
export class Router<C = InSession, R = Answer> {
  readonly #place: Place;
  readonly #handlers = new Map<string, (message: Message, context: C) => R>();

  constructor(place: Place) {
    this.#place = place;
  }

  on<V extends object>(type: MessageType<V>, handle: Handle<V, C, R>): this {
    return this.onUnparsed(type, (message, context) => handle(type.parse(message), context, message));
  }

  /** For one that is refused before it costs the parsing, or that another one parses. */
  onUnparsed({ type, routes }: MessageType, handle: (message: Message, context: C) => R): this {
    const { on, as } = this.#place;
    if (!routes.some((route) => leadsTo(route, this.#place)))
      throw new Error(`${type} does not come to the ${as} of a ${on}`);
    if (this.#handlers.has(type)) throw new Error(`${type} has a handler`);
    this.#handlers.set(type, handle);
    return this;
  }

  /**
   * @param from whose connection it is, where the table tells a daemon from a command
   * @throws FilerError as `refusalOf`, or what the handler throws
   */
  take(message: Message, context: C, from?: Party): R {
    const refusal = this.refusalOf(message.header, from);
    if (refusal !== undefined) throw refusal;
    const handle = this.#handlers.get(message.header['type'] ?? '');
    if (handle === undefined) throw unsupported(message.header);
    return handle(message, context);
  }

  /**
   * Why a message is not handled here: `unsupported` for a type without a handler; in a transfer, where it would change
   * what comes next, `unexpected-message` for one of its own; `refused` for one that only a daemon may say.
   */
  refusalOf(header: Header, from?: Party): FilerError | undefined {
    const { type = '' } = header;
    const isHandled = this.#handlers.has(type);
    if (isHandled && from === undefined) return undefined;
    const routes = messageType(type)?.routes ?? [];
    if (!isHandled) {
      const isOutOfPlace = this.#place.on === 'transfer' && routes.some(({ on }) => on === 'transfer');
      if (!isOutOfPlace) return unsupported(header);
      return new FilerError('unexpected-message', `${type} has no place at this point of a transfer`);
    }
    if (routes.some((route) => leadsTo(route, this.#place) && isOf(route.from, from))) return undefined;
    return new FilerError('refused', `the session of a ${from} may not say ${type}`);
  }
}

/** A session's handler. @param from whose session it is, where the table tells a daemon from a command */
export function routed<C extends object>(router: Router<C & InSession>, context: C, from?: Party): Handler {
  return (message, session): Answer => router.take(message, { ...context, session }, from);
}

export const OK: Reply = { header: { type: 'ok' } };

function isOf(party: Party, from: Party | undefined): boolean {
  return (
    party === from || party === 'either' || (party === 'client' && (from === 'daemon' || from === 'command'))
  );
}
