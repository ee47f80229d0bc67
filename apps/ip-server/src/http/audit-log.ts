import { FilerError, type ErrorCode } from '@filer/protocol';
import type { Audit, Caller } from '@filer/program';
import type { ServerEvents } from '../api/contract/events.ts';
import { MAX_AUDIT_TARGET, type AuditStore } from '../store/audit-store.ts';

/** Writes down who changes what, before it is changed: what cannot be written is not done. */
export class AuditLog implements Audit {
  readonly #store: AuditStore;
  readonly #events: Pick<ServerEvents, 'publish'>;
  readonly #now: () => number;

  constructor(store: AuditStore, events: Pick<ServerEvents, 'publish'>, now: () => number) {
    this.#store = store;
    this.#events = events;
    this.#now = now;
  }

  async begin(
    { id, name }: Caller,
    action: string,
    target: string,
  ): Promise<(result: 'ok' | ErrorCode) => Promise<void>> {
    const cut = target.length <= MAX_AUDIT_TARGET ? target : `${target.slice(0, MAX_AUDIT_TARGET - 1)}…`;
    const entry = { time: this.#now(), by: id, name, action, target: cut.toWellFormed() };
    const number = await this.#store.begin(entry);
    this.#events.publish('audit', { number });
    return async (result) => {
      try {
        await this.#store.end(number, result, this.#now());
        this.#events.publish('audit', { number });
      } catch (error) {
        // It is done, and stands there without its result.
        if (!(error instanceof FilerError)) throw error;
      }
    };
  }

  /** A token asked for what its role may not do. */
  async denied(caller: Caller, action: string): Promise<void> {
    const end = await this.begin(caller, action, '');
    await end('refused');
  }
}
