import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { loadIdentity, systemCode } from '@filer/protocol';
import { failed, failedBy, ok, warning, type Check } from './check.ts';
import { shellWord } from './disk-check.ts';

/**
 * Whether the key and certificate of a home are there, belong together, and are this user's alone.
 *
 * @param id that the files must prove; undefined where nothing says it
 */
export async function checkIdentity(folder: string, id: string | undefined): Promise<Check> {
  const restore = 'restore key.pem and cert.pem from a backup';
  try {
    const identity = await loadIdentity(folder);
    if (identity === undefined)
      return failed('identity', `there is no key in ${folder}`, restore, { folder });
    const facts = { folder, id: identity.id };
    if (id !== undefined && identity.id !== id)
      return failed(
        'identity',
        `the key in ${folder} is another one than the one that joined`,
        restore,
        facts,
      );
    const open = ['key.pem'].filter((name) => isOpen(join(folder, name)));
    if (open.length === 0)
      return ok('identity', `id ${identity.id.slice(0, 12)}…, key and certificate fit`, facts);
    return warning(
      'identity',
      `others than this user can read ${open.join(', ')} in ${folder}`,
      open.map((name) => `chmod 600 ${shellWord(join(folder, name))}`).join('; '),
      facts,
    );
  } catch (error) {
    return failedBy('identity', error, restore);
  }
}

function isOpen(file: string): boolean {
  try {
    return (lstatSync(file).mode & 0o077) !== 0;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false; // it was read a moment ago
  }
}
