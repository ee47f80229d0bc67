import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { FilerError, loadIdentity, serversOf } from '@filer/protocol';
import { openHome, resolveHome, type Environment, type Home } from '@filer/program';
import { SQLITE } from '../store-address.ts';
import { whyInviteRefuses } from '../store/admission.ts';
import { copyContents, refuseOtherTarget, type CopiedTable, type CopyOptions } from '../store/copy.ts';
import type { Store } from '../store/interfaces.ts';
import type { InviteEntry } from '../store/registry.ts';
import { openStore, rememberStorePlace, type StorePlace } from '../store/store.ts';
import { copyFolder, type CopiedFiles } from '../uploads/copied-files.ts';
import { filesPlaceOf, filesProblem } from '../uploads/files-place.ts';
import { copyHomeFiles } from './home-files.ts';
import { lockHome } from './home-lock.ts';

/** Followed by a home: its embedded database. */
const EMBEDDED = `${SQLITE}:`;

/** One side of a copy. */
interface Side {
  readonly home: Home;
  readonly place: StorePlace;
  readonly isEmbedded: boolean;
}

export interface StoreCopyOptions extends CopyOptions {
  /** Each `sqlite`, `sqlite:HOME` or `postgres://…` */
  readonly from: string;
  readonly to: string;
  /** The home of a side that names none, unless the other side does. */
  readonly home: Home;
  readonly environment: Environment;
  readonly passwordFile: string | undefined;
}

export interface StoreCopied {
  readonly tables: readonly CopiedTable[];
  readonly files: CopiedFiles;
  /** Its next start uses the copy. */
  readonly home: Home;
  /** Invites for all of several servers, which no server with an embedded database can honour. */
  readonly endedInvites: number;
}

/**
 * Moves what a server stores to another engine, while no server uses either. The home remembers the copy.
 *
 * @throws FilerError `already-running` while a server uses a side, `refused` for a target that holds something else,
 *   `needs-daemon` for a source without a network, of the stores
 */
export async function copyStore(options: StoreCopyOptions): Promise<StoreCopied> {
  await using open = new AsyncDisposableStack();
  const [from, to] = sidesOf(options);
  if (from.place.place === to.place.place)
    throw new FilerError('usage', '--from and --to are the same store');
  if (from.isEmbedded && !existsSync(from.place.place)) throw noNetwork(from);
  for (const home of new Map([from, to].map((side) => [side.home.lockFile, side.home])).values()) {
    await openHome(home);
    open.adopt(await lockHome(home), (lock) => lock.release());
  }
  const opened = async ({ place: { place, passwordFile } }: Side, forCopy: boolean): Promise<Store> => {
    const store = open.adopt(await openStore(place, { passwordFile, forCopy }), (it) => it.close());
    if (store.contents !== undefined) open.use(await store.contents.reserve());
    return store;
  };
  const source = await opened(from, false);
  const founding = await source.registry.founding();
  if (founding === undefined) throw noNetwork(from);
  const target = await opened(to, true);
  await refuseOtherTarget(source, target);
  const list = await source.servers?.list();
  const servers = list === undefined ? [founding.server] : serversOf(list).map(({ id }) => id);
  const server = await requireIdentity(from.home, servers);
  const other = servers.find((id) => id !== server);
  if (to.isEmbedded && other !== undefined) {
    throw new FilerError(
      'refused',
      `the network has ${servers.length} servers, and an embedded database is used by one: run "ip-server servers remove ${other.slice(0, 12)}" first`,
    );
  }
  let files = await copyHomeFiles(from.home, to.home, options.signal);
  const shared = to.isEmbedded ? await source.registry.filesFolder() : undefined;
  if (shared !== undefined) {
    const place = filesPlaceOf(from.home, shared);
    // An embedded database is used by one server, which has them in its home.
    const problem = await filesProblem(place);
    if (problem !== undefined) throw problem;
    const more = await copyFolder(place.attachments, to.home.attachments, options.signal);
    files = { files: files.files + more.files, bytes: files.bytes + more.bytes };
  }
  const tables = await copyContents(source, target, options);
  if (to.isEmbedded) {
    await target.registry.saveFilesFolder(undefined);
    await target.registry.found({ ...founding, server });
  }
  await rememberStorePlace(to.home, to.place);
  const isEnded = (invite: InviteEntry): boolean =>
    invite.grant.server !== server && whyInviteRefuses(invite, Date.now()) === undefined;
  const endedInvites = to.isEmbedded ? (await source.registry.invites()).filter(isEnded).length : 0;
  return { tables, files, home: to.home, endedInvites };
}

function sidesOf({ from, to, home, environment, passwordFile }: StoreCopyOptions): [Side, Side] {
  const homeIn = (text: string): Home | undefined => {
    if (text === SQLITE) return home;
    if (!text.startsWith(EMBEDDED)) return undefined;
    const folder = resolve(text.slice(EMBEDDED.length));
    return resolveHome('ip-server', { ...environment, IP_SERVER_HOME: folder });
  };
  const sideOf = (text: string, own: Home | undefined, other: Home): Side => ({
    home: own ?? other,
    place: { place: own?.databaseFile ?? text, passwordFile },
    isEmbedded: own !== undefined,
  });
  const second = homeIn(to);
  // A database elsewhere belongs to the home that has the server's identity.
  const user = second !== undefined && existsSync(join(second.identityFolder, 'key.pem')) ? second : home;
  const source = sideOf(from, homeIn(from), user);
  return [source, sideOf(to, second, source.home)];
}

/** @returns which of the servers of the network the home is of */
async function requireIdentity({ identityFolder }: Home, servers: readonly string[]): Promise<string> {
  const identity = await loadIdentity(identityFolder);
  if (identity !== undefined && servers.includes(identity.id)) return identity.id;
  throw new FilerError(
    'identity-damaged',
    `the network belongs to the server ${servers.join(' or ')}, and ${identityFolder} does not hold its key.pem and cert.pem: set IP_SERVER_HOME to the home that does`,
  );
}

function noNetwork({ place, home, isEmbedded }: Side): FilerError {
  const where = isEmbedded ? dirname(home.databaseFile) : place.place;
  return new FilerError('needs-daemon', `${where} holds no network: name with --from where it is`);
}
