import { randomBytes } from 'node:crypto';
import {
  FilerError,
  MAX_PARALLEL_PER_PEER,
  parallelOfMessage,
  type Membership,
  type Messenger,
} from '@filer/protocol';
import type { ParallelConnection } from '@filer/transfer';

interface Awaited {
  readonly peerId: string;
  readonly add: (connection: ParallelConnection) => void;
}

/** Further connections of running transfers, as far as others open them. */
export class ParallelConnections {
  readonly #awaited = new Map<string, Awaited>();
  /** Those that are open, by peer. */
  readonly #open = new Map<string, number>();

  /** The transfer on a connection takes such, as long as that is open. @returns the token that they show */
  expect(peerId: string, { closed }: Messenger, add: Awaited['add']): string {
    const token = randomBytes(32).toString('base64url');
    this.#awaited.set(token, { peerId, add });
    void closed.then(() => this.#awaited.delete(token));
    return token;
  }

  /**
   * Takes a connection whose next message is `parallel-of`. Resolves at its end.
   *
   * @throws FilerError `refused`, `too-many-connections`
   */
  async take(messenger: Messenger, { id, name }: Membership): Promise<void> {
    const first = await messenger[Symbol.asyncIterator]().next();
    if (first.done === true) return;
    const awaited = this.#awaited.get(parallelOfMessage.parse(first.value).token);
    if (awaited?.peerId !== id)
      throw new FilerError('refused', `no transfer with ${name} has this token, or it has ended`);
    const open = this.#open.get(id) ?? 0;
    if (open >= MAX_PARALLEL_PER_PEER)
      throw new FilerError(
        'too-many-connections',
        `the transfers with ${name} have ${open} connections already`,
      );
    this.#open.set(id, open + 1);
    awaited.add(messenger);
    await messenger.closed;
    const left = (this.#open.get(id) ?? 1) - 1;
    if (left > 0) this.#open.set(id, left);
    else this.#open.delete(id);
  }
}
