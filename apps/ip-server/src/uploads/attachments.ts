import {
  ATTACHED_BYTES_AT_ONCE,
  ATTACHED_BYTES_PER_SECOND,
  BYTES_PER_INODE,
  FilerError,
  formatStored,
  MAX_ATTACHMENT_BYTES,
  MAX_ATTACHMENTS,
  Rates,
  UPLOAD_BYTES,
  type Attachment,
  type Entry,
  type Identity,
  OK,
  type Membership,
  type Messenger,
  type ReportKey,
  type Report,
} from '@filer/protocol';
import { DiskRoom, type Logger } from '@filer/program';
import { FreeSpace, receiveFiles } from '@filer/transfer';
import type { AttachmentStore, Upload, UploadKey } from '../store/attachment-store.ts';
import { AttachmentFolders } from './attachment-folders.ts';
import type { Files } from './files-place.ts';
import { AttachmentRoom, noRoomForAttachments, type Wanted } from './attachment-room.ts';

/** Reports of one machine whose files are here and which themselves are not yet: an honest one brings one at a time. */
const MAX_OPEN_UPLOADS = 4;

/** Files of one report that lie there at once: those that it has, and what of them came half, perhaps by other names. */
const MAX_FILES = 2 * MAX_ATTACHMENTS;

/** Fewest files that all reports together may have, however little room they may take. */
const LEAST_FILES = 10_000;

/** Entries that one connection may announce: more are of no honest machine. */
const MAX_ENTRIES = 10 * MAX_ATTACHMENTS;

export interface AttachmentsParts {
  readonly store: AttachmentStore;
  readonly files: Pick<Files, 'place' | 'require'>;
  readonly network: string;
  readonly identity: Identity;
  /** What all of them together may take. */
  readonly spaceBytes: number;
  /** What stays free on their disk. */
  readonly keepFreeBytes: number;
  readonly log: Logger;
  /** Told why none can be taken, and (undefined) when they can again. */
  readonly onProblem: (problem: FilerError | undefined) => void;
  /** What is dated with, in ms since the epoch. */
  readonly now: () => number;
  /** Now, in ms since the epoch, as ages are judged. */
  readonly agesNow: () => number;
}

interface Running {
  readonly messenger: Messenger;
  readonly ended: Promise<void>;
}

/** Takes the files of reports, and vouches for them when the reports come. */
export class Attachments {
  readonly #parts: AttachmentsParts;
  readonly #folders: AttachmentFolders;
  readonly #space: FreeSpace;
  readonly #room: AttachmentRoom;
  /** By folder. */
  readonly #running = new Map<string, Running>();
  readonly #rates = new Rates({ atOnce: ATTACHED_BYTES_AT_ONCE, perSecond: ATTACHED_BYTES_PER_SECOND });
  readonly #stop = new AbortController();

  constructor(parts: AttachmentsParts) {
    const { store, files, spaceBytes, keepFreeBytes, agesNow: now } = parts;
    this.#parts = parts;
    const root = files.place.attachments;
    this.#folders = new AttachmentFolders(root);
    this.#space = new FreeSpace(root, { quotaBytes: spaceBytes, keepFreeBytes });
    const disk = new DiskRoom(root, { keepFreeBytes });
    const isBusy = (key: UploadKey): boolean => this.#running.has(this.#folders.nameOf(key));
    const cut = async (key: UploadKey): Promise<void> => {
      const running = this.#running.get(this.#folders.nameOf(key));
      running?.messenger.reject(noRoomForAttachments(spaceBytes));
      await running?.ended;
    };
    this.#room = new AttachmentRoom({
      store,
      folders: this.#folders,
      space: { bytes: spaceBytes, files: Math.max(LEAST_FILES, Math.floor(spaceBytes / BYTES_PER_INODE)) },
      disk: () => disk,
      isBusy,
      cut,
      now,
    });
  }

  /** What the upload door calls for `attach`. @throws FilerError why not */
  async take(
    messenger: Messenger,
    { id: peer, name }: Membership,
    report: ReportKey,
    re: string | undefined,
  ): Promise<void> {
    const key = { peer, ...report };
    const answering = re === undefined ? {} : { re };
    if (!this.#rates.tryTake(peer, UPLOAD_BYTES, performance.now())) throw this.#tooFast(peer);
    await this.#requirePlace();
    const ended = Promise.withResolvers<void>();
    const folder = this.#folders.nameOf(key);
    for (let other = this.#running.get(folder); other !== undefined; other = this.#running.get(folder)) {
      other.messenger.reject(
        new FilerError('connection-closed', 'these files come over a newer connection now'),
      );
      await other.ended;
    }
    this.#running.set(folder, { messenger, ended: ended.promise });
    try {
      const upload = await this.#begin(key);
      if (upload === undefined) {
        // The report says for itself whether it is the one that is here.
        await messenger.send({ ...formatStored(key).header, ...answering });
        return;
      }
      await messenger.send({ ...OK.header, ...answering });
      await this.#receive(messenger, upload, name);
    } finally {
      this.#running.delete(folder);
      ended.resolve();
    }
  }

  async #requirePlace(): Promise<void> {
    const { files, onProblem } = this.#parts;
    try {
      await files.require();
    } catch (error) {
      if (error instanceof FilerError) onProblem(error);
      throw error;
    }
  }

  #tooFast(peer: string): FilerError {
    const seconds = Math.ceil(this.#rates.waitMs(peer, UPLOAD_BYTES, performance.now()) / 1_000);
    return new FilerError(
      'rate-limited',
      `this machine attaches more than ${ATTACHED_BYTES_PER_SECOND} bytes a second, ${UPLOAD_BYTES} counted for each report: what waits goes in ${seconds} s`,
    );
  }

  /** Makes a place for the files of a report. @returns undefined when the report is stored */
  async #begin(key: UploadKey): Promise<Upload | undefined> {
    const { store, now } = this.#parts;
    if (await store.hasReport(key)) return undefined;
    const open = await store.openOf(key.peer);
    const others = open.filter(({ spool, seq }) => spool !== key.spool || seq !== key.seq);
    for (const other of others.slice(0, Math.max(0, others.length - MAX_OPEN_UPLOADS + 1)))
      await this.#room.settle(other);
    // What was to be removed, or is more than a report can have, is left out.
    const isGone = (await store.find(key))?.state === 'gone';
    if (isGone || (await this.#folders.measure(key)).files > MAX_FILES) await this.#folders.remove(key);
    await this.#folders.make(key);
    // It may have been stored meanwhile.
    return await store.begin(key, now());
  }

  async #receive(messenger: Messenger, upload: Upload, from: string): Promise<void> {
    const { store, network, identity, log, now, onProblem } = this.#parts;
    let wanted = { bytes: 0, files: 0 };
    const outcome = await receiveFiles(messenger, {
      network,
      keyPair: identity,
      senderId: upload.peer,
      // Where what came half goes with the files.
      inbox: this.#folders.pathOf(upload),
      folder: '',
      space: this.#space,
      policy: {
        maxFileBytes: MAX_ATTACHMENT_BYTES,
        maxFiles: MAX_ATTACHMENTS,
        maxEntries: MAX_ENTRIES,
        leavesOut: requirePlain,
      },
      // No one else's files are there, and what is there has not been reported.
      onConflict: 'overwrite',
      replaces: 'all',
      signal: this.#stop.signal,
      on: (event) => {
        if (event.type === 'offered') wanted = { bytes: event.offer.bytes, files: event.offer.files };
      },
      record: ({ name, size, digest }) => store.note(upload, { name, size, digest }, now()),
    });
    this.#rates.take(upload.peer, outcome.bytesReceived, performance.now());
    await this.#weigh(upload);
    const failed = outcome.files.find(({ status }) => status === 'failed');
    const code = outcome.error?.code ?? failed?.code;
    if (code === 'no-space') {
      onProblem(noRoomForAttachments(this.#parts.spaceBytes));
      this.#sweepSoon({ peer: upload.peer, ...wanted });
    } else if (outcome.ok) onProblem(undefined);
    if (code !== undefined) {
      const why = outcome.error?.message ?? failed?.message;
      log.warn('attachments did not all come', {
        peer: from,
        spool: upload.spool,
        seq: upload.seq,
        code,
        why,
      });
    }
  }

  /**
   * Whether the files of a report that has come are here, whole.
   *
   * @throws FilerError `attachment-missing`; not for a report that is stored already, whatever became of its files
   */
  async require(peer: string, { spool, seq, attachments = [] }: Report): Promise<void> {
    if (attachments.length === 0) return;
    const key = { peer, spool, seq };
    const { store } = this.#parts;
    if (await store.hasReport(key)) return;
    const upload = await store.find(key);
    const files = upload?.state === 'open' ? await store.files(upload) : undefined;
    for (const attachment of attachments) {
      const file = files?.get(attachment.name);
      const came = file?.size === attachment.size && file.digest === attachment.digest;
      if (came && (await this.#folders.has(key, attachment))) continue;
      throw new FilerError(
        'attachment-missing',
        `the attachment ${JSON.stringify(attachment.name)} of report ${seq} has not come: send it before the report`,
      );
    }
  }

  /** A report is stored: what came for it is kept with it, and nothing more comes. Nothing here rejects or throws. */
  async stored(peer: string, { spool, seq, attachments = [] }: Report): Promise<void> {
    if (attachments.length === 0) return;
    const { store, log } = this.#parts;
    const key = { peer, spool, seq };
    let upload: Upload | undefined;
    try {
      upload = await store.find(key);
      if (upload?.state !== 'open') return;
      await store.reported(upload);
      this.#running
        .get(this.#folders.nameOf(key))
        ?.messenger.reject(new FilerError('connection-closed', 'the report of these files is stored'));
    } catch (error) {
      // The next sweep finds it out.
      log.warn('attachments were not marked as reported', { why: error });
      return;
    }
    this.#keepOnly(upload, attachments).catch((error: unknown) => {
      log.warn('files without a report were not removed', { why: error });
    });
  }

  async #keepOnly(upload: Upload, attachments: readonly Attachment[]): Promise<void> {
    await this.#folders.keepOnly(upload, new Set(attachments.map(({ name }) => name)));
    await this.#weigh(upload);
  }

  /** Counts what is there, what came half included, as its machine's. */
  async #weigh(upload: Upload): Promise<void> {
    const { store, log } = this.#parts;
    try {
      await store.weigh(upload, await this.#folders.measure(upload));
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      log.warn('the size of attachments was not stored', { why: error });
    }
  }

  /** Removes what is no longer wanted, and makes room. @param isHere whether this server does it @throws FilerError of the store or the disk */
  async sweep(isHere = true): Promise<void> {
    await this.#parts.files.require();
    if (isHere) await this.#room.sweep();
  }

  /** Ends what runs; half files stay for the next try. */
  async close(): Promise<void> {
    this.#stop.abort(new FilerError('terminated', 'the server is stopping'));
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
    await this.#room.close();
  }

  #sweepSoon(wanted: Wanted): void {
    this.#room
      .sweep(wanted)
      .catch((error: unknown) => this.#parts.log.warn('no room was made', { why: error }));
  }
}

/** @returns false: it is not left out. @throws FilerError `refused` */
function requirePlain({ kind, path }: Entry): boolean {
  if (kind === 'file' && !path.includes('/')) return false;
  throw new FilerError('refused', 'an attachment is one plain file, without folders');
}
