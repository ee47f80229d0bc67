import { arrayOf, eventsMethod, type EventOf, type Events } from '@filer/program';
import * as v from 'valibot';
import { messageTold, offerTold, receivedFile } from './peers.ts';

/*
 * What happens at a filer-client. Some events tell all of it, for those who show it; the others say that there is something
 * new to read, and of what. Names and texts are others': escape them.
 */

const schemas = {
  message: messageTold,
  received: receivedFile,
  offer: offerTold,
  presence: v.object({
    name: v.string(),
    id: v.string(),
    state: v.picklist(['lost', 'online', 'stopped', 'gone']),
  }),
  /** This machine has another name or other groups. */
  member: v.object({
    id: v.string(),
    name: v.string(),
    groups: arrayOf(v.string()),
    /** The name that it had before. */
    was: v.string(),
  }),
  server: v.object({ connected: v.boolean(), reason: v.string() }),
  connection: v.object({
    id: v.string(),
    name: v.string(),
    direction: v.picklist(['in', 'out']),
    open: v.boolean(),
    /** How many are open now. */
    remaining: v.number(),
  }),
  /** The directory changed, or why there is no connection with the ip-server. */
  directory: v.object({}),
  /** A job, a fetch, or what comes in or is fetched from here, began, got further or ended. */
  transfer: v.object({}),
  /** A staged job came here, was released, rolled back or dropped. */
  stage: v.object({
    job: v.string(),
    from: v.string(),
    fromId: v.string(),
    files: v.number(),
    state: v.picklist(['staged', 'released', 'rolled-back', 'closed', 'dropped']),
  }),
  /** A report was put into the spool, sent, refused, or removed. */
  spool: v.object({}),
  /** A watched folder was added or removed, is in another state, or has shipped something. */
  watch: v.object({}),
  /** A schedule was added, changed or removed, or has run. */
  schedule: v.object({}),
  /** A share was added or removed. */
  share: v.object({}),
};

/** What each type of event carries. */
export type ClientEventData = { [K in keyof typeof schemas]: v.InferOutput<(typeof schemas)[K]> };

/** Where parts of the client publish what they change. */
export type ClientEvents = Events<ClientEventData>;

export type ClientEvent = EventOf<ClientEventData>;

export const eventMethods = {
  /** What happens from now on, or after the event `since`, until the daemon ends. */
  events: eventsMethod<ClientEventData>(schemas),
};
