import type { JobStarted, SendEvent } from '../../api/contract/send.ts';

/** How long a job was at work: without the time in which it only waited for people to answer. */
export class BusyTime {
  /** Recipients for whom something is being done. */
  readonly #working = new Set<string>();
  #busyMs = 0;
  #at: number;

  /** @param now ms of any clock that does not jump */
  constructor(now: number) {
    this.#at = now;
  }

  take(event: SendEvent, now: number): void {
    this.#count(now);
    if (event.type === 'job') this.#begin(event);
    if (event.type === 'waiting' || event.type === 'queued') this.#working.delete(event.recipient);
    if (event.type !== 'progress') return;
    const { recipient, bytesDone, filesDone, filesTotal, complete } = event;
    if (complete && filesDone === filesTotal) this.#working.delete(recipient);
    else if (bytesDone > 0 || filesDone > 0) this.#working.add(recipient);
  }

  /** @returns ms */
  until(now: number): number {
    this.#count(now);
    return this.#busyMs;
  }

  #begin({ recipients }: JobStarted): void {
    for (const { name } of recipients) this.#working.add(name);
  }

  #count(now: number): void {
    if (this.#working.size > 0) this.#busyMs += now - this.#at;
    this.#at = now;
  }
}
