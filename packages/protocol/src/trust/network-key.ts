import { readFile } from 'node:fs/promises';
import { FilerError, messageOf, systemCode } from '../errors.ts';
import { createKeyPair, keyPairFromPem, pemOfSeed, type KeyPair } from './keys.ts';
import { createSecretFile } from './secret-file.ts';

/**
 * Makes the key of a new network and writes it (PKCS#8 PEM, mode 0600), never over another file.
 *
 * @throws FilerError `refused` when the file exists, `home-not-writable`, `no-space`
 */
export async function createNetworkKey(file: string): Promise<KeyPair> {
  const { seed, ...key } = createKeyPair();
  if (!(await createSecretFile(file, pemOfSeed(seed)))) {
    throw new FilerError(
      'refused',
      `${file} exists already; a network key is never overwritten: name another file`,
    );
  }
  return key;
}

/**
 * Reads the network's key; its `id` is the network's.
 *
 * @throws FilerError `network-key-missing` when there is no such file, `identity-damaged` when it holds no key
 */
export async function loadNetworkKey(file: string): Promise<KeyPair> {
  return keyPairOfNetwork(await readNetworkKey(file), file);
}

/**
 * Copies the key to a new file (mode 0600), for keeping it away from the server.
 *
 * @throws FilerError as `loadNetworkKey` and `createNetworkKey`
 */
export async function exportNetworkKey(file: string, copy: string): Promise<void> {
  const pem = await readNetworkKey(file);
  keyPairOfNetwork(pem, file);
  if (!(await createSecretFile(copy, pem))) {
    throw new FilerError('refused', `${copy} exists already and is left as it is; name another file`);
  }
}

async function readNetworkKey(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      throw new FilerError(
        'network-key-missing',
        `the network key is not at ${file}; give the file that it was exported to with --network-key`,
        { cause: error },
      );
    }
    throw damaged(file, `it cannot be read (${systemCode(error) ?? messageOf(error)})`, error);
  }
}

function keyPairOfNetwork(pem: string, file: string): KeyPair {
  try {
    return keyPairFromPem(pem);
  } catch (error) {
    throw damaged(file, 'it holds no Ed25519 private key', error);
  }
}

function damaged(file: string, what: string, cause: unknown): FilerError {
  return new FilerError(
    'identity-damaged',
    `the network key in ${file} is damaged: ${what}; restore a backup`,
    {
      cause,
    },
  );
}
