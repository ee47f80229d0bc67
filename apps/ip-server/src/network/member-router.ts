import {
  Router,
  type AnnouncedSchedule,
  type InSession,
  type Membership,
  type Messenger,
} from '@filer/protocol';
import type { Connection } from './presence.ts';

/** What a handler is told beside the message of a member. */
export interface FromMember extends InSession {
  readonly connection: Connection;
}

/** Handlers of what members say in their sessions. */
export type MemberRouter = Router<FromMember>;

export function memberRouter(): MemberRouter {
  return new Router({ on: 'session', as: 'server' });
}

/** Who expects something of members, and learns their outcome. */
export interface Expecting {
  /** What a daemon will report from now on. */
  announce(id: string, schedules: readonly AnnouncedSchedule[]): Promise<void>;
  /** Its daemon has said goodbye. */
  goodbye(id: string): void;
  /** It is a member no longer. */
  forget(id: string): void;
}

/** Serves connections that members opened for a transfer, to their end. */
export interface TransferDoor {
  /** @throws FilerError why it was refused */
  serve(messenger: Messenger, from: Membership): Promise<void>;
}
