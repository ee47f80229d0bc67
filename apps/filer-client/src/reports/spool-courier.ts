import { FilerError, type Session } from '@filer/protocol';
import type { Logger } from '@filer/program';
import { reconnectDelayMs } from '../network/backoff.ts';
import type { Member } from '../network/member.ts';
import type { ScheduleTable } from './schedule-table.ts';
import { uploadAttachments } from './attachment-upload.ts';
import { drainSpool } from './spool-sender.ts';

export interface SpoolCourierOptions {
  readonly member: Member;
  readonly schedules: Pick<ScheduleTable, 'dueOf'>;
  readonly software: string;
  readonly log: Logger;
}

/** Takes what the spool holds to the server whenever there is a session, with growing pauses while that fails. */
export class SpoolCourier {
  readonly #options: SpoolCourierOptions;
  readonly #stop = new AbortController();
  #session: Session | undefined;
  #draining: Promise<void> | undefined;
  #kicked = false;
  #failures = 0;
  #pause: NodeJS.Timeout | undefined;

  constructor(options: SpoolCourierOptions) {
    this.#options = options;
  }

  /** There is a session now, or none any more. */
  sessionIs(session: Session | undefined): void {
    this.#session = session;
    this.#failures = 0;
    this.#options.member.spool.problem = undefined;
    this.#endPause();
    this.kick();
  }

  /** Reports wait. */
  kick(): void {
    const session = this.#session;
    if (session === undefined || this.#pause !== undefined || this.#stop.signal.aborted) return;
    this.#kicked = true;
    this.#draining ??= this.#drain(session).finally(() => {
      this.#draining = undefined;
      // Of another session, or kicked since the last look.
      if (this.#kicked) this.kick();
    });
  }

  async close(): Promise<void> {
    this.#stop.abort(new FilerError('interrupted', 'stopping'));
    this.#endPause();
    await this.#draining;
  }

  async #drain(session: Session): Promise<void> {
    const { member, software, log } = this.#options;
    const { spool } = member;
    this.#kicked = false;
    try {
      await drainSpool({
        spool,
        session,
        upload: (report) => uploadAttachments(member, software, report, this.#stop.signal),
        dueOf: (name) => this.#options.schedules.dueOf(name),
        log,
      });
      this.#failures = 0;
      spool.problem = undefined;
    } catch (error) {
      if (this.#stop.signal.aborted || this.#session !== session) return;
      this.#failures++;
      this.#pause = setTimeout(
        () => {
          this.#pause = undefined;
          this.kick();
        },
        reconnectDelayMs(this.#failures, Math.random()),
      );
      if (!(error instanceof FilerError)) throw error;
      spool.problem = error;
      log.warn('reports wait: the server did not take them', { error, spooled: spool.size });
    }
  }

  #endPause(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
  }
}
