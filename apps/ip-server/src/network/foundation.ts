import {
  createNetworkKey,
  FilerError,
  loadIdentity,
  loadNetworkKey,
  loadOrCreateIdentity,
  type Identity,
  type KeyPair,
} from '@filer/protocol';
import type { Home } from '@filer/program';
import type { Founding, Registry } from '../store/registry.ts';
import { hasServed } from '../store/store.ts';

/** Who this server is, and of which network. */
export interface Foundation {
  readonly identity: Identity;
  readonly founding: Founding;
  /** Undefined when it was exported and not given. */
  readonly networkKey: KeyPair | undefined;
  /** Whether the network was made just now. */
  readonly isNew: boolean;
}

/**
 * Loads identity and network of a home, and makes them the first time.
 *
 * @param keyFile the network key if it is not in the home; in an empty home it makes a replacement server
 * @throws FilerError `identity-damaged`, `verification-failed` for the key of another network,
 *   `network-key-missing` for a `keyFile` that is not there
 */
export async function openFoundation(home: Home, registry: Registry, keyFile?: string): Promise<Foundation> {
  const stored = await registry.founding();
  const identity = await identityOf(home, stored, registry);
  const existing =
    keyFile === undefined ? await keyIfThere(home.networkKeyFile) : await loadNetworkKey(keyFile);
  if (stored !== undefined) {
    if (existing !== undefined) checkNetwork(existing, stored);
    return { identity, founding: { ...stored, server: identity.id }, networkKey: existing, isNew: false };
  }
  const networkKey = existing ?? (await createNetworkKey(home.networkKeyFile));
  const founding = {
    network: networkKey.id,
    networkKey: networkKey.publicKey.toString('base64url'),
    server: identity.id,
  };
  await registry.found(founding);
  return { identity, founding, networkKey, isNew: existing === undefined };
}

/**
 * A database's own identity. A new one is made beside a database that belongs to no one, or that several servers share if no server
 * of this home did before.
 */
async function identityOf(
  home: Home,
  stored: Founding | undefined,
  { isShared }: Registry,
): Promise<Identity> {
  const identity = await loadIdentity(home.identityFolder);
  if (stored === undefined || isShared === true) {
    if (identity === undefined && stored !== undefined && (await hasServed(home)))
      throw new FilerError(
        'identity-damaged',
        `the home ${home.identityFolder} belongs to the server that was started from it before, and there is no identity in it: ` +
          'restore key.pem and cert.pem of that server from a backup, or start a new server in another home',
      );
    return identity ?? (await loadOrCreateIdentity(home.identityFolder)).identity;
  }
  if (identity?.id === stored.server) return identity;
  const found =
    identity === undefined ? 'there is no identity beside it' : `the identity beside it to ${identity.id}`;
  throw new FilerError(
    'identity-damaged',
    `the database belongs to the server ${stored.server} and ${found}: ` +
      'restore key.pem and cert.pem of that server from a backup',
  );
}

/**
 * The network's key, which a command needs to sign.
 *
 * @param keyFile where it is if not in the home
 * @throws FilerError `network-key-missing`, `identity-damaged`, `verification-failed`
 */
export async function requireNetworkKey(home: Home, founding: Founding, keyFile?: string): Promise<KeyPair> {
  const key = keyFile === undefined ? await keyIfThere(home.networkKeyFile) : await loadNetworkKey(keyFile);
  if (key === undefined) {
    throw new FilerError(
      'network-key-missing',
      'the network key was taken away from this server: give the file that holds it with --network-key FILE',
    );
  }
  checkNetwork(key, founding);
  return key;
}

function checkNetwork(key: KeyPair, { network }: Founding): void {
  if (key.id === network) return;
  throw new FilerError(
    'verification-failed',
    `the network key is that of another network (${key.id}): give the one of ${network}`,
  );
}

async function keyIfThere(file: string): Promise<KeyPair | undefined> {
  try {
    return await loadNetworkKey(file);
  } catch (error) {
    if (error instanceof FilerError && error.code === 'network-key-missing') return undefined;
    throw error;
  }
}
