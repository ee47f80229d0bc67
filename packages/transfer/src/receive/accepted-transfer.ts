import { setImmediate as turn } from 'node:timers/promises';
import {
  abandonMessage,
  basisMessage,
  callMessage,
  chunkMessage,
  doneMessage,
  endMessage,
  entriesMessage,
  extrasMessage,
  fileMessage,
  formatBasisAnswer,
  formatEntriesAnswer,
  formatTransferWord,
  growMessage,
  holderMessage,
  passOnMessage,
  relayedFileMessage,
  relayedMessage,
  removeMessage,
  repointMessage,
  Router,
  sameMessage,
  zerosMessage,
  sealMessage,
  skipMessage,
  smallMessage,
  STREAM_OVERHEAD_BYTES,
  supplyMessage,
  unsentMessage,
  type Entries,
  type FilerError,
  type Message,
} from '@filer/protocol';
import { digestText } from '../digests/digests.ts';
import { ZERO_BLOCK, ZERO_BLOCK_DIGEST } from '../digests/zero-block.ts';
import { RelayedStreams, type ReceiverPassing } from '../passing/relayed-streams.ts';
import type { Channel } from '../wire/channel.ts';
import { asTold, dispatch, isChange, outOfPlace } from '../wire/ending.ts';
import { ClosingQuestions, type ClosingParts } from './closing-questions.ts';
import type { IncomingStreams } from './incoming-streams.ts';
import { permittedMode } from './permitted-mode.ts';
import type { ReceivePace } from './receive-pace.ts';

export interface AcceptedTransferParts extends ClosingParts {
  readonly channel: Channel;
  readonly pace: ReceivePace;
  readonly passing: ReceiverPassing | undefined;
  readonly say: (message: Message) => Promise<void>;
  /** Says it without waiting. */
  readonly tell: (message: Message) => void;
}

const ZEROS = digestText(ZERO_BLOCK_DIGEST);

/** What follows the answer to an offer, up to `done`. */
export class AcceptedTransfer {
  static readonly #router = new Router<AcceptedTransfer, Promise<void> | void>({
    on: 'transfer',
    as: 'receiver',
  })
    .on(entriesMessage, (entries, transfer) => transfer.#takeEntries(entries))
    .on(fileMessage, (file, transfer) => transfer.#streams.begin(transfer.#withPermitted(file)))
    .on(growMessage, (grow, transfer) => transfer.#streams.grow(grow))
    .on(chunkMessage, (chunk, transfer) => {
      const recycle = (): void => transfer.#parts.channel.recycle?.(chunk.content);
      // Where it goes may take its time.
      return transfer.#came(chunk.content.length, () =>
        transfer.#parts.watchdog.during(transfer.#streams.chunk(chunk, recycle)),
      );
    })
    .on(zerosMessage, async ({ entry, offset }, transfer) => {
      const chunk = { entry, offset, content: ZERO_BLOCK, block: ZEROS };
      await transfer.#parts.watchdog.during(transfer.#streams.chunk(chunk, () => undefined));
      // A thousand of them may come at once, each 1 MiB to be digested.
      await turn();
    })
    .on(smallMessage, (small, transfer) => {
      const file = transfer.#withPermitted(small);
      const recycle = (): void => transfer.#parts.channel.recycle?.(file.content);
      return transfer.#came(file.size, () => transfer.#streams.small(file, recycle));
    })
    .on(basisMessage, async (request, transfer) => {
      const digests = await transfer.#parts.watchdog.work(transfer.#streams.basis(request));
      await transfer.#parts.say(formatBasisAnswer(request.id, digests));
    })
    .on(unsentMessage, (unsent, transfer) =>
      transfer.#parts.results.unsent(asTold(unsent, transfer.#parts.channel)),
    )
    .on(skipMessage, (skip, transfer) => transfer.#parts.accepted.incoming.skip(skip))
    .on(sameMessage, (same, transfer) => transfer.#streams.same(same))
    .on(endMessage, (end, transfer) => transfer.#streams.end(end))
    .on(abandonMessage, (failure, transfer, message) =>
      transfer.#streams.abandon(asTold(failure, transfer.#parts.channel), isChange(message)),
    )
    .on(passOnMessage, (told, transfer) => transfer.#relayed.passOn(told))
    .on(holderMessage, (told, transfer) => transfer.#relayed.awaited.holder(told))
    .on(callMessage, (told, transfer) => transfer.#relayed.call(told))
    .on(repointMessage, (told, transfer) => transfer.#relayed.awaited.repoint(told))
    .on(supplyMessage, async (supply, transfer) => {
      const { length } = supply.content;
      transfer.#parts.watchdog.moved(length);
      transfer.#relayed.awaited.supply(supply);
      transfer.#parts.channel.recycle?.(supply.content);
      await transfer.#parts.pace.took(length);
    })
    .on(relayedMessage, ({ bytes, block, from, ...at }, transfer) =>
      transfer.#relayed.await(block, bytes, from, (content) =>
        transfer.#came(bytes, () =>
          transfer.#parts.watchdog.during(
            transfer.#streams.chunk({ ...at, block, content }, () => undefined),
          ),
        ),
      ),
    )
    .on(relayedFileMessage, ({ from, ...told }, transfer) =>
      transfer.#relayed.await(told.digest, told.size, from, (content) =>
        transfer.#came(told.size, () =>
          transfer.#streams.small({ ...transfer.#withPermitted(told), content }, () => undefined),
        ),
      ),
    )
    .on(extrasMessage, async ({ id, ...asked }, transfer) =>
      transfer.#parts.say(await transfer.#closing.extras(id, asked)),
    )
    .on(removeMessage, async ({ id, ...asked }, transfer) =>
      transfer.#parts.say(await transfer.#closing.remove(id, asked)),
    )
    .on(sealMessage, async ({ id }, transfer) => transfer.#parts.say(await transfer.#closing.seal(id)))
    .on(doneMessage, (_, transfer) => transfer.#takeDone());
  readonly #parts: AcceptedTransferParts;
  readonly #closing: ClosingQuestions;
  readonly #relayed: RelayedStreams;
  readonly #permitted = permittedMode();
  #saidDone = false;

  constructor(parts: AcceptedTransferParts) {
    this.#parts = parts;
    this.#closing = new ClosingQuestions(parts);
    const { watchdog, end, tell } = parts;
    this.#relayed = new RelayedStreams(parts.passing, {
      tell,
      moved: (bytes) => {
        watchdog.moved(bytes);
        watchdog.exchanged();
      },
      failed: (error) => end.by(error),
      drained: () => this.#streams.tellTaken(),
    });
  }

  /** Whether both sides have nothing more to say. */
  get isOver(): boolean {
    return this.#saidDone;
  }

  /** @throws FilerError what ends the transfer early */
  async take(message: Message): Promise<void> {
    await this.#relayed.inTurn(message, () =>
      dispatch(AcceptedTransfer.#router, this.#parts.channel, message, this),
    );
  }

  /** What came whole gets its place; what did not is kept for the next try. */
  async close(reason: FilerError): Promise<void> {
    await this.#relayed.close(reason);
    await this.#parts.accepted.incoming.stop(reason);
  }

  get #streams(): IncomingStreams {
    return this.#parts.accepted.incoming.streams;
  }

  /** Content came: it is counted, dealt with, and as much more is read as the rate permits. */
  async #came(bytes: number, work: () => Promise<void>): Promise<void> {
    this.#parts.totals.bytesReceived += bytes;
    await work();
    await this.#parts.pace.took(bytes);
  }

  async #takeEntries(batch: Entries): Promise<void> {
    const { accepted, totals, watchdog, say } = this.#parts;
    const { id, first, entries } = batch;
    totals.batch(batch);
    const permitted = entries.map((entry) => this.#withPermitted(entry));
    const answers = await watchdog.work(accepted.incoming.announce(first, permitted));
    for (const { answer } of answers) if (answer !== 'refused') watchdog.moved(STREAM_OVERHEAD_BYTES);
    totals.answered(batch, answers);
    await say(formatEntriesAnswer(id, answers));
    await accepted.incoming.vouch();
  }

  /** What another machine says of its mode, as far as it may count here. */
  #withPermitted<T extends { readonly mode: number }>(file: T): T {
    return { ...file, mode: this.#permitted(file.mode) };
  }

  async #takeDone(): Promise<void> {
    const { accepted, totals, results, end, say } = this.#parts;
    if (!totals.isComplete) throw outOfPlace('done');
    await accepted.incoming.finish();
    results.flush();
    this.#relayed.tellCarried();
    if (end.reason !== undefined) return;
    this.#saidDone = true;
    await say(formatTransferWord('done'));
  }
}
