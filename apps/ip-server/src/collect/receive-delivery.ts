import { join } from 'node:path';
import { FilerError, Glob, type KeyPair, type Messenger } from '@filer/protocol';
import { ProgressThrottle } from '@filer/program';
import {
  FreeSpace,
  receiveFiles,
  SpaceShare,
  type FreeSpaceOptions,
  type ReceiveOutcome,
} from '@filer/transfer';
import type { ServerEvents } from '../api/contract/events.ts';
import type { FailedTry } from '../store/collect-store.ts';
import type { Attempt } from './attempt.ts';
import { cleanBefore, markOf } from './delivery-parts.ts';
import { RunFiles, type RunBounds } from './run-files.ts';

/** What every delivery is held to. */
export interface DeliveryRules extends RunBounds {
  readonly events: ServerEvents;
  /** Now, in ms since the epoch, as ages are judged. */
  readonly agesNow: () => number;
  readonly network: string;
  /** The server's, which signs the receipts. */
  readonly keyPair: KeyPair;
  /** What stays free on the disk, in bytes. */
  readonly keepFreeBytes: number;
  /** Largest file, in bytes. @default any */
  readonly maxFileBytes: number | undefined;
  /** What a disk has. @default statfs */
  readonly look?: FreeSpaceOptions['look'];
}

/** Failed files that the ledger names; it counts all. */
const FAILURES_NAMED = 20;

/** Of a name, and of a reason. */
const MOST_CHARS = 500;

/** Receives what machines deliver into the folders of collects. */
export class DeliveryReceiver {
  readonly #rules: DeliveryRules;
  /** By the folder of the collect: what one delivery is promised no other one is. */
  readonly #spaces = new Map<string, FreeSpace>();

  constructor(rules: DeliveryRules) {
    this.#rules = rules;
  }

  /**
   * Receives one machine's files of one run. What came before is skipped; a file that has changed since replaces what
   * came of it, since all of it is this run's.
   *
   * @param folder of the machine, below that of the collect
   */
  async receive(messenger: Messenger, attempt: Attempt, folder: string): Promise<ReceiveOutcome> {
    const { events, network, keyPair, maxFileBytes, maxFiles, maxSize, agesNow } = this.#rules;
    const { collect, run, peer } = attempt;
    const globs = collect.paths.map((path) => Glob.parse(path));
    const mark = markOf(run.id, peer);
    const there = await RunFiles.in(join(collect.folder, folder, run.label), { maxFiles, maxSize });
    const space = this.#spaceOf(collect.folder);
    await cleanBefore(collect.folder, { folder, label: run.label }, mark, agesNow());
    const throttle = new ProgressThrottle(() => events.publish('collect', { name: collect.name }));
    const receiving = receiveFiles(messenger, {
      network,
      keyPair,
      senderId: peer,
      inbox: collect.folder,
      folder: `${folder}/${run.label}`,
      space: maxSize === 'half' ? new SpaceShare(space, there.before, beyondHalf) : space,
      policy: {
        maxFileBytes,
        maxFiles,
        maxBytes: there.bytesLeft,
        leavesOut: (entry) => {
          if (!globs.some((glob) => glob.matches(entry.path)))
            throw new FilerError('refused', 'it is not among what the collect asked for');
          there.take(entry);
          return false;
        },
      },
      replaces: 'all',
      onConflict: 'overwrite',
      mark,
      mayBeNothing: true,
      signal: attempt.stop.signal,
      on: (event) => {
        const { progress } = attempt;
        if (event.type === 'file' && event.result.status !== 'failed')
          attempt.progress = { ...progress, files: progress.files + 1 };
        if (event.type !== 'progress') return;
        const { bytesReceived: bytes, bytesTotal, filesTotal, complete } = event;
        attempt.progress = { files: progress.files, bytes, bytesTotal, filesTotal, complete };
        throttle.take(undefined);
      },
    });
    return await receiving.finally(() => throttle.stop());
  }

  #spaceOf(folder: string): FreeSpace {
    const space = this.#spaces.get(folder) ?? new FreeSpace(folder, this.#rules);
    this.#spaces.set(folder, space);
    return space;
  }
}

function beyondHalf(): FilerError {
  return new FilerError(
    'no-space',
    'the ip-server takes of one machine in one run of a collect at most as much as stays free on its disk: make room there, or set collect-max-size',
  );
}

/** Why not all came; undefined when it did. */
export function failureOf(outcome: ReceiveOutcome): FailedTry | undefined {
  const { error, ok, files, filesFailed, filesDelivered, filesSkipped } = outcome;
  if (ok) return undefined;
  const failures = files.flatMap(({ status, name, code = 'internal', message = '', failedBy }) =>
    status === 'failed' && failedBy !== 'transfer'
      ? [{ name: short(name), code, message: short(message) }]
      : [],
  );
  const named = failures.slice(0, FAILURES_NAMED);
  if (error !== undefined) return { ...tryThatFailed(error), filesFailed: failures.length, failures: named };
  const total = filesFailed + filesDelivered + filesSkipped;
  const [first] = failures;
  return {
    state: 'failed',
    code: filesFailed < total ? 'partial' : (first?.code ?? 'internal'),
    reason: `${filesFailed} of ${total} files did not come, ${first?.name ?? ''}: ${first?.message ?? ''}`,
    filesFailed,
    failures: named,
  };
}

/** Names and reasons are another machine's, and may be long: of 500 machines they must fit into one answer. */
function short(text: string): string {
  return text.length <= MOST_CHARS ? text : `${text.slice(0, MOST_CHARS).toWellFormed()}…`;
}

/** A machine that only lost the connection is waited for, as before. */
export function tryThatFailed({ code, message }: FilerError): FailedTry {
  return {
    state: LOST.has(code) ? 'waiting' : 'failed',
    code,
    reason: short(message),
    filesFailed: 0,
    failures: [],
  };
}

const LOST: ReadonlySet<string> = new Set([
  'connection-closed',
  'connection-silent',
  'timed-out',
  'terminated',
  'too-slow',
]);
