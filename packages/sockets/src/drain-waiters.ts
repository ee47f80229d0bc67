import type { Socket } from 'node:net';
import type { FilerError } from '@filer/protocol';

/** Writers that wait until a socket has room again: any number, one listener. */
export class DrainWaiters {
  readonly #socket: Socket;
  #waiting: { readonly resolve: () => void; readonly reject: (error: FilerError) => void }[] = [];
  #listening = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Resolves at the next 'drain'; rejects when `fail` is called first. */
  wait(): Promise<void> {
    if (!this.#listening) {
      this.#listening = true;
      this.#socket.on('drain', () => {
        for (const { resolve } of this.#waiting.splice(0)) resolve();
      });
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The connection is gone. */
  fail(error: FilerError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
