import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FilerError, messageOf, systemCode, writeFailure } from '@filer/protocol';
import type { Home, Logger } from '@filer/program';
import { requireNotOwn } from '@filer/transfer';
import type { FilesFolder, Registry } from '../store/registry.ts';
import type { ServerStore } from '../store/server-store.ts';
import { copyFolder, type CopiedFiles } from './copied-files.ts';
import { lookAt, NO_ANSWER } from './folder-look.ts';

/*
 * Files of reports, and of collects that are given no folder, are in the home of the server that took them, or in one folder that all
 * servers of a database share:
 *
 *   DIR/filer-files            the id that the database has of it: a folder without it is another one, or is not mounted
 *   DIR/attachments/PEER-ID/…  as in a home
 *   DIR/collected/COLLECT/…
 */
const MARKER = 'filer-files';

/** What `--files` calls the homes. */
const IN_HOMES = 'home';

const ID_BYTES = 16;

/** Where files of machines are. */
export interface FilesPlace {
  readonly attachments: string;
  readonly collected: string;
  /** The folder that all servers share; undefined while files are in the homes. */
  readonly shared: FilesFolder | undefined;
}

export function filesPlaceOf(home: Home, shared: FilesFolder | undefined): FilesPlace {
  return {
    attachments: shared === undefined ? home.attachments : join(shared.folder, 'attachments'),
    collected: join(shared === undefined ? dirname(home.databaseFile) : shared.folder, 'collected'),
    shared,
  };
}

export interface FilesParts {
  readonly home: Home;
  readonly network: string;
  readonly server: string;
  readonly registry: Registry;
  readonly servers: ServerStore | undefined;
  readonly log: Logger;
}

/** Where a running server has its files, and whether they can be used there. */
export class Files {
  readonly place: FilesPlace;
  readonly #parts: FilesParts;
  #settling: Promise<void> | undefined;

  private constructor(parts: FilesParts, place: FilesPlace) {
    this.#parts = parts;
    this.place = place;
  }

  /**
   * The first server that is given a folder says it for the network. A folder that is not there later does not keep a server from
   * its start: what needs no files works.
   *
   * @param files as `--files` says; undefined for what the network has
   * @throws FilerError `configuration-invalid`, `home-not-writable`, `no-space`
   */
  static async open(parts: FilesParts, files: string | undefined): Promise<Files> {
    const { home, network, registry, servers } = parts;
    const inHome = (): Files => new Files(parts, filesPlaceOf(home, undefined));
    if (servers === undefined) {
      if (files === undefined || files === IN_HOMES) return inHome();
      throw invalid(
        `--files ${files} is for servers that share a PostgreSQL database, and this one keeps its store in its home: add --store postgres://…, or leave out --files`,
      );
    }
    const known = await registry.filesFolder();
    if (files === IN_HOMES) {
      if (known !== undefined) await takeBack(parts, known);
      return inHome();
    }
    const folder = files === undefined ? known?.folder : resolve(files);
    if (folder === undefined) return inHome();
    if (known !== undefined && folder !== known.folder) {
      throw invalid(
        `--files ${folder}: the servers of this network share ${known.folder}: mount it there on this machine, too`,
      );
    }
    const shared = known ?? (await makeShared(folder, network));
    if (known === undefined) await registry.saveFilesFolder(shared);
    return new Files(parts, filesPlaceOf(home, shared));
  }

  /** @throws FilerError why files can be neither taken nor read now */
  async require(): Promise<void> {
    const problem = await filesProblem(this.place);
    if (problem !== undefined) throw problem;
    this.#settling ??= this.#settle();
    await this.#settling.catch((error: unknown) => {
      this.#settling = undefined;
      throw error;
    });
  }

  /** What this server has in its home goes to where all find it. */
  async #settle(): Promise<void> {
    const { home, servers, log } = this.#parts;
    const { attachments, shared } = this.place;
    if (shared === undefined || servers === undefined) return;
    const { files } = await moveFolder(home.attachments, attachments);
    if (files > 0)
      log.info('files of reports were moved to the folder of all servers', { files, to: attachments });
    await servers.shareFiles(true);
  }
}

/** The only server takes all files of reports into its home. @throws FilerError */
async function takeBack(parts: FilesParts, known: FilesFolder): Promise<void> {
  const { home, registry, servers, log } = parts;
  await requireAlone(parts, known);
  const problem = await filesProblem({ shared: known });
  if (problem !== undefined) throw problem;
  const { files } = await moveFolder(filesPlaceOf(home, known).attachments, home.attachments);
  log.info('files of reports were moved to the home', { files, to: home.attachments });
  await servers?.shareFiles(false);
  await registry.saveFilesFolder(undefined);
}

/** One that is interrupted is repeated. */
async function moveFolder(from: string, to: string): Promise<CopiedFiles> {
  const moved = await copyFolder(from, to, new AbortController().signal);
  await rm(from, { recursive: true, force: true });
  return moved;
}

/** @throws FilerError `configuration-invalid` */
async function requireAlone({ server, servers }: FilesParts, { folder }: FilesFolder): Promise<void> {
  const other = (await servers?.all())?.find(({ id, silentMs }) => id !== server && silentMs !== undefined);
  if (other === undefined) return;
  throw invalid(
    `--files ${IN_HOMES}: the server ${other.id.slice(0, 12)} uses ${folder}: stop all others first`,
  );
}

/** Makes a folder the one that all servers share. It has to be there: what is made in the place of one that is not mounted fills another disk. */
async function makeShared(folder: string, network: string): Promise<FilesFolder> {
  const found = await stat(folder, { bigint: true }).catch((error: unknown) => {
    throw invalid(`--files ${folder}: it is not there (${messageOf(error)}): make it, and mount it`);
  });
  if (!found.isDirectory()) throw invalid(`--files ${folder} is no folder`);
  requireNotOwn(folder, found);
  const marker = join(folder, MARKER);
  const made = `${network} ${randomBytes(ID_BYTES).toString('hex')}`;
  try {
    await writeFile(marker, `${made}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw writeFailure(`cannot write ${marker}`, marker, error);
  }
  const id = (await readFile(marker, 'utf8')).trim();
  if (!id.startsWith(`${network} `)) {
    throw invalid(`--files ${folder} has files of another network: name another folder`);
  }
  return { folder, id };
}

/** Why files can be neither taken nor read now; undefined when they can. Not for longer than some seconds. */
export async function filesProblem({ shared }: Pick<FilesPlace, 'shared'>): Promise<FilerError | undefined> {
  if (shared === undefined) return undefined;
  const { folder, id } = shared;
  const answer = await lookAt(join(folder, MARKER), () => markerIn(folder));
  if (answer === id) return undefined;
  return new FilerError(
    'home-not-writable',
    `the folder that the servers share for files, ${folder}, cannot be used at this one: ${whyNot(answer)}; it is tried again`,
  );
}

/** @returns the id of what is there, or why it cannot be used */
async function markerIn(folder: string): Promise<string | Error> {
  try {
    const id = (await readFile(join(folder, MARKER), 'utf8')).trim();
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    // Reads may be answered while what writes waits.
    for (const name of ['attachments', 'collected']) await mkdir(join(folder, name), { recursive: true });
    return id;
  } catch (error) {
    if (error instanceof Error && systemCode(error) !== undefined) return error;
    throw error;
  }
}

function whyNot(answer: string | Error): string {
  if (answer instanceof Error)
    return systemCode(answer) === 'ENOENT'
      ? `it is not mounted there (no file ${MARKER})`
      : messageOf(answer);
  return answer === NO_ANSWER ? answer : 'it is another folder than that of the other servers';
}

function invalid(message: string): FilerError {
  return new FilerError('configuration-invalid', message);
}
