import { lstat, access, chmod } from 'node:fs/promises';
import { constants, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { FilerError, makeFolders, nodeCrypto, systemCode, writeFailure } from '@filer/protocol';
import { environmentPrefix, variable, type Environment, type ProgramName } from './environment.ts';
import { userFolders, type UserFolders } from './user-folders.ts';

/** Where one installation of a command keeps everything. Absolute paths; nothing is created yet. */
export interface Home {
  readonly program: ProgramName;
  /** TOML settings: `config.toml`. */
  readonly configFile: string;
  /** The client's schedules: `schedules.toml`. */
  readonly schedulesFile: string;
  /** Holds `key.pem` and `cert.pem`. */
  readonly identityFolder: string;
  /** The embedded database (`node:sqlite`). */
  readonly databaseFile: string;
  /** The client's digests of files, which may be deleted: `digests.db`. */
  readonly digestsFile: string;
  /** The client's `membership.json`. */
  readonly membershipFile: string;
  /** The server's `network-key.pem`. */
  readonly networkKeyFile: string;
  /** The key and certificate that the server made itself for browsers: `http.pem`. */
  readonly httpCertificateFile: string;
  /** The server's `webhook-secret`. */
  readonly webhookSecretFile: string;
  /** Where received files go. */
  readonly inbox: string;
  /** The client's folder of what came from standard input and is to be sent. */
  readonly outgoing: string;
  /** Files that belong to reports: the client's until the server has them, the server's as long as it keeps them. */
  readonly attachments: string;
  /** Socket on which commands reach their daemon; at most 100 bytes long. */
  readonly controlSocket: string;
  /** Held by the one daemon of this home. */
  readonly lockFile: string;
  /** What both programs of this user keep for themselves, as far as the environment tells. */
  readonly own: {
    /** Folders that hold keys and databases. */
    readonly homes: readonly string[];
    /** Folders in them for files on their way. */
    readonly spools: readonly string[];
  };
}

/** Longest path of a Unix socket: 104 on macOS and 108 on Linux with the closing NUL, less some headroom. */
const MAX_SOCKET_PATH_BYTES = 100;

/**
 * Decides where everything is, without touching the disk: `FILER_HOME`/`IP_SERVER_HOME`, else XDG.
 *
 * @throws FilerError `home-not-writable` where neither is known
 */
export function resolveHome(program: ProgramName, env: Environment): Home {
  const folders = foldersOf(program, env);
  if (folders !== undefined) return homeIn(program, env, folders);
  throw new FilerError(
    'home-not-writable',
    `this user has no home folder (no HOME, and no entry in the system's list of users): set ${environmentPrefix(program)}HOME to the folder in which ${program} keeps its files`,
  );
}

/** @returns undefined where neither the environment nor the system names them */
function foldersOf(program: ProgramName, env: Environment): UserFolders | undefined {
  const one = variable(env, `${environmentPrefix(program)}HOME`);
  if (one !== undefined) {
    const folder = resolve(one);
    return { config: folder, data: folder, state: folder, inbox: join(folder, 'inbox') };
  }
  return userFolders(program === 'filer-client' ? 'filer' : 'ip-server', env);
}

/**
 * Creates the folders that are missing (0700) and checks that they can be written. The inbox is left to
 * the user who receives files.
 *
 * @throws FilerError `home-not-writable`, `no-space`
 */
export async function openHome(home: Home): Promise<void> {
  const folders = new Set([dirname(home.configFile), home.identityFolder, dirname(home.lockFile)]);
  for (const folder of folders) {
    try {
      makeFolders(folder, 0o700);
      await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      throw unusable(home, folder, error);
    }
  }
  await openSocketFolder(home);
}

/**
 * The folder of the control socket belongs to this user alone; another user who made it first in the
 * temporary folder could pose as the daemon.
 *
 * @returns false when it does not exist
 * @throws FilerError `home-not-writable` when it is somebody else's, or open to others
 */
export async function checkSocketFolder(home: Home): Promise<boolean> {
  const folder = dirname(home.controlSocket);
  if (folder === dirname(home.lockFile)) return true;
  try {
    const stat = await lstat(folder);
    const mine = process.getuid === undefined || stat.uid === process.getuid();
    if (!stat.isDirectory() || !mine || (stat.mode & 0o077) !== 0) {
      throw notAlone(home, folder);
    }
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function openSocketFolder(home: Home): Promise<void> {
  const folder = dirname(home.controlSocket);
  if (folder === dirname(home.lockFile)) return;
  try {
    makeFolders(folder, 0o700);
    const stat = await lstat(folder);
    if (stat.isDirectory() && stat.uid === process.getuid?.()) await chmod(folder, 0o700);
  } catch (error) {
    throw unusable(home, folder, error);
  }
  await checkSocketFolder(home);
}

function unusable(home: Home, folder: string, cause: unknown): FilerError {
  const otherwise = `set ${environmentPrefix(home.program)}HOME to another folder`;
  return writeFailure(`cannot use ${folder}`, folder, cause, { otherwise });
}

function notAlone(home: Home, folder: string): FilerError {
  return new FilerError(
    'home-not-writable',
    `cannot use ${folder}: it is not a folder of this user alone; give this user that folder, or set ${environmentPrefix(home.program)}HOME to another one`,
  );
}

const PROGRAMS = ['filer-client', 'ip-server'] as const satisfies readonly ProgramName[];

function homeIn(program: ProgramName, env: Environment, folders: UserFolders): Home {
  return {
    program,
    configFile: join(folders.config, 'config.toml'),
    schedulesFile: join(folders.config, 'schedules.toml'),
    identityFolder: folders.data,
    databaseFile: join(folders.data, program === 'filer-client' ? 'filer.db' : 'ip-server.db'),
    digestsFile: join(folders.data, 'digests.db'),
    membershipFile: join(folders.data, 'membership.json'),
    networkKeyFile: join(folders.data, 'network-key.pem'),
    httpCertificateFile: join(folders.data, 'http.pem'),
    webhookSecretFile: join(folders.data, 'webhook-secret'),
    inbox: folders.inbox,
    outgoing: join(folders.data, 'outgoing'),
    attachments: join(folders.data, 'attachments'),
    controlSocket: socketPath(program, folders.state, env),
    lockFile: join(folders.state, 'daemon.lock'),
    own: ownFolders(env),
  };
}

function ownFolders(env: Environment): Home['own'] {
  const both = PROGRAMS.flatMap((program) => foldersOf(program, env) ?? []);
  return {
    homes: [...new Set(both.flatMap(({ config, data, state }) => [config, data, state]))],
    spools: both.flatMap(({ data }) => [join(data, 'outgoing'), join(data, 'attachments')]),
  };
}

function socketPath(program: ProgramName, stateFolder: string, env: Environment): string {
  const natural = join(stateFolder, 'control.sock');
  if (Buffer.byteLength(natural) <= MAX_SOCKET_PATH_BYTES) return natural;
  const digest = nodeCrypto().createHash('sha256').update(realPath(stateFolder)).digest('hex').slice(0, 24);
  const candidates = [variable(env, 'XDG_RUNTIME_DIR'), tmpdir(), '/tmp'].flatMap((folder) =>
    folder === undefined ? [] : [join(folder, `${program}-${digest}`, 'control.sock')],
  );
  return candidates.find((path) => Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) ?? natural;
}

/** The path without links, also of what does not exist yet: both ways into one home give one hash. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}
