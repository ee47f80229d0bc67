import { constants } from 'node:fs';
import { join } from 'node:path';
import {
  Semaphore,
  FilerError,
  formatHeld,
  parseHolding,
  systemCode,
  WORKING_EVERY_MS,
  type HeldAnswer,
  type HoldingFile,
  type Message,
  type Session,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import { isStageName, readDigests } from '@filer/transfer';
import type { Member } from '../network/member.ts';

/** Askers whose files are read at the same time: a disk serves few readers well. */
const ASKERS_AT_ONCE = 2;

export interface HoldingServerOptions {
  readonly member: Member;
  /** Absolute. */
  readonly inbox: string;
  readonly log: Logger;
}

/**
 * Where something is now that was staged when it was signed for. What has changed places with an older version is under its name,
 * and all else still in its stage.
 */
function placeNow(
  { stages }: Pick<Member, 'stages'>,
  peerId: string,
  path: string,
  digest: string,
): { readonly at: string; readonly isStaged: boolean } {
  const components = path.split('/');
  const n = components.findIndex((component) => isStageName(component));
  if (n === -1) return { at: path, isStaged: false };
  const stage = stages.inFolder(peerId, components[n] ?? '');
  const below = components.slice(n + 1).join('/');
  if (stage?.state === 'released' || stage?.state === 'closed')
    return { at: join(stage.folder, below), isStaged: false };
  return {
    at: path,
    isStaged: stage !== undefined && stages.files.item(stage.id, below)?.content === digest,
  };
}

/** Tells senders whether what they delivered is still there, by reading it. */
export class PossessionServer {
  readonly #options: HoldingServerOptions;
  readonly #turns = new Semaphore(ASKERS_AT_ONCE);
  readonly #asking = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(options: HoldingServerOptions) {
    this.#options = options;
  }

  /**
   * Begins to answer `holding`: reading may take hours, and the session continues meanwhile.
   *
   * @throws FilerError `message-malformed`, `rate-limited`
   */
  answer(message: Message, session: Session, peerId: string): undefined {
    const files = parseHolding(message);
    const re = message.header['id'];
    if (re === undefined || this.#closed) return undefined;
    if (this.#asking.has(peerId)) {
      throw new FilerError('rate-limited', 'a question of yours about files is being answered: ask after it');
    }
    this.#asking.add(peerId);
    const running = this.#answer(files, re, session, peerId).finally(() => {
      this.#asking.delete(peerId);
      this.#running.delete(running);
    });
    this.#running.add(running);
    return undefined;
  }

  /** Ends after the files that are being read now. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#running);
  }

  /** Never rejects but for a bug. */
  async #answer(files: readonly HoldingFile[], re: string, session: Session, peerId: string): Promise<void> {
    let gone = false;
    void session.closed.then(() => (gone = true));
    const say = async (answers: readonly HeldAnswer[], more: boolean): Promise<void> => {
      const { header, content } = formatHeld(answers, more);
      // An asker that left is noticed before the next file.
      await session.notify({ ...header, re }, content).catch(() => (gone = true));
    };
    const timer = setInterval(() => void say([], true), WORKING_EVERY_MS);
    try {
      await this.#turns.take(async () => {
        const answers: HeldAnswer[] = [];
        for (const file of files) {
          if (gone || this.#closed) return;
          answers.push(await this.#look(file, peerId));
        }
        clearInterval(timer);
        await say(answers, false);
      });
    } finally {
      clearInterval(timer);
    }
  }

  async #look({ path, digest }: HoldingFile, peerId: string): Promise<HeldAnswer> {
    const { member, inbox, log } = this.#options;
    const { at, isStaged } = placeNow(member, peerId, path, digest);
    const file = join(inbox, at);
    if (!isStaged && !member.inbox.hasHad(peerId, file, digest)) return 'unknown';
    try {
      const read = await readDigests(file, constants.O_NOFOLLOW, undefined);
      return read?.digest === digest ? 'same' : 'changed';
    } catch (error) {
      const code = systemCode(error);
      if (code === undefined) throw error;
      if (code === 'ENOENT' || code === 'ENOTDIR') return 'gone';
      log.warn('a received file cannot be read', { file, error });
      return 'changed';
    }
  }
}
