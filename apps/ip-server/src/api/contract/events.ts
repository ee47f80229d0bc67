import { arrayOf, eventsMethod, type Events } from '@filer/program';
import * as v from 'valibot';

/*
 * What changes at a server. An event says that there is something new to read, and of what; the documents say what it is.
 */

const schemas = {
  /** A machine joined, ended or changed its membership, came or went, or sent its numbers. */
  peer: v.object({ id: v.string() }),
  /** So many reports were stored, of these machines. */
  report: v.object({ count: v.number(), peers: arrayOf(v.string()) }),
  /** What is expected of a machine changed, or how its reports come. */
  schedule: v.object({ peer: v.string(), name: v.string() }),
  /** An alarm was raised, delivered, tried without success, or given up. */
  alarm: v.object({ peer: v.string(), schedule: v.string() }),
  /** A machine told what it sends and fetches now. */
  transfer: v.object({ id: v.string() }),
  /** A text was handed to many. */
  message: v.object({ id: v.string() }),
  /** A collect was made or removed, a run of it began, or something came of a machine in one. */
  collect: v.object({ name: v.string() }),
  /** An invite was made or revoked; one that is used is told by the `peer` that joins. */
  invite: v.object({ id: v.string() }),
  /** Something stands in the audit log, or its result does. */
  audit: v.object({ number: v.number() }),
};

/** What each type of event carries. */
export type ServerEventData = { [K in keyof typeof schemas]: v.InferOutput<(typeof schemas)[K]> };

/** Where parts of the server publish what they change. */
export type ServerEvents = Events<ServerEventData>;

export const eventMethods = {
  /** What happens from now on, or after the event `since`, until the server ends. */
  events: eventsMethod<ServerEventData>(schemas),
};
