import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FilerError } from '@filer/protocol';
import type { Home } from '@filer/program';
import { copyFolder, copyOne, isSame, type CopiedFiles } from '../uploads/copied-files.ts';

/**
 * Copies what a server keeps beside its store to another home: who it is, and the files of reports. Files that are there with the
 * same content stay. The files of collects stay in their folders, which the store names.
 *
 * @throws FilerError `refused` for a home of another server, `verification-failed`, `home-not-writable`, `no-space`
 */
export async function copyHomeFiles(from: Home, to: Home, signal: AbortSignal): Promise<CopiedFiles> {
  if (from.identityFolder === to.identityFolder) return { files: 0, bytes: 0 };
  const pairs = ['key.pem', 'cert.pem'].map((name) => [
    join(from.identityFolder, name),
    join(to.identityFolder, name),
  ]);
  pairs.push([from.networkKeyFile, to.networkKeyFile], [from.webhookSecretFile, to.webhookSecretFile]);
  for (const [source = '', target = ''] of pairs) {
    if (!existsSync(source)) continue;
    if (existsSync(target) && !(await isSame(source, target)))
      throw new FilerError('refused', `${target} is another one than ${source}: name a home that has none`);
    await copyOne(source, target);
  }
  return await copyFolder(from.attachments, to.attachments, signal);
}
