import { FilerError, formatRecord, parseRecordHeld } from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { Member } from './member.ts';
import {
  currentRecord,
  overtakeRecord,
  publishedAddresses,
  type Listening,
  type Published,
} from './published-addresses.ts';
import type { ServerSession } from './server-dial.ts';

/** A record that is not taken is signed with a higher seq; a live copy of this home could always be faster. */
const PUBLISH_TRIES = 3;

/** Tells the server where other machines reach this one. */
export class RecordPublisher {
  readonly #member: Member;
  readonly #listening: Listening;
  readonly #log: Logger;
  #publishedSeq: number | undefined;
  /** Addresses that are not published, as they were logged. */
  #unpublished = JSON.stringify([[], []]);

  constructor(member: Member, listening: Listening, log: Logger) {
    this.#member = member;
    this.#listening = listening;
    this.#log = log;
  }

  /** A session begins: its server may be another one, or have lost what the last one was told. */
  forget(): void {
    this.#publishedSeq = undefined;
  }

  /** What is published has changed: a server with a session is told at once. Never rejects but with a bug. */
  async changed(server: ServerSession | undefined): Promise<void> {
    if (server === undefined) return; // the next session begins with it
    try {
      await this.publish(server);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#log.debug('the ip-server was not told the addresses', { error });
    }
  }

  /**
   * Publishes the record unless the server has it: again when addresses have changed or the record ages.
   *
   * @throws FilerError `duplicate-identity`, of the session
   */
  async publish(server: ServerSession): Promise<void> {
    const member = this.#member;
    for (let tries = 0; tries < PUBLISH_TRIES; tries++) {
      const published = publishedAddresses(this.#listening, server);
      this.#logUnpublished(published);
      const record = currentRecord(member, published.addresses, Date.now());
      if (record.seq === this.#publishedSeq) return;
      const held = parseRecordHeld(await server.session.ask(formatRecord(record)));
      if (held === undefined) {
        this.#publishedSeq = record.seq;
        return;
      }
      this.#log.warn('the ip-server holds other addresses of this machine: they are replaced', {
        addresses: held.addresses,
        reason: 'this home was restored, or a copy of it ran',
      });
      overtakeRecord(member, record, held);
    }
    throw new FilerError('duplicate-identity', 'a copy of this machine publishes its addresses, too');
  }

  #logUnpublished({ leftOut, unusable }: Published): void {
    const unpublished = JSON.stringify([leftOut, unusable]);
    if (unpublished === this.#unpublished) return;
    this.#unpublished = unpublished;
    if (leftOut.length > 0) {
      this.#log.warn('not all addresses of this machine are published', {
        leftOut,
        remedy: 'name the addresses for other machines with --advertise HOST:PORT',
      });
    }
    if (unusable.length > 0) {
      this.#log.warn('addresses that other machines do not dial are not published', {
        addresses: unusable,
        remedy: 'name IP addresses with --advertise, not link-local or unspecified, and a port above 0',
      });
    }
  }
}
