import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FilerError, writeFailure } from '@filer/protocol';
import type { Home } from '@filer/program';

export interface CopiedFiles {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Copies what a server keeps beside its store to another home: who it is, and the files of reports. Files that are there with the
 * same content stay. The files of collects stay in their folders, which the store names.
 *
 * @throws FilerError `refused` for a home of another server, `verification-failed`, `home-not-writable`, `no-space`
 */
export async function copyHomeFiles(from: Home, to: Home, signal: AbortSignal): Promise<CopiedFiles> {
  const amount = { files: 0, bytes: 0 };
  if (from.identityFolder === to.identityFolder) return amount;
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
  if (!existsSync(from.attachments)) return amount;
  const found = await readdir(from.attachments, { recursive: true, withFileTypes: true });
  for (const entry of found) {
    signal.throwIfAborted();
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const target = join(to.attachments, source.slice(from.attachments.length));
    await copyOne(source, target);
    amount.files += 1;
    amount.bytes += (await stat(target)).size;
  }
  return amount;
}

async function copyOne(source: string, target: string): Promise<void> {
  if (existsSync(target) && (await isSame(source, target))) return;
  const part = `${target}.copying`;
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await copyFile(source, part);
    if (!(await isSame(source, part)))
      throw new FilerError('verification-failed', `${part} is not what ${source} is: check that disk`);
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true });
    throw error instanceof FilerError ? error : writeFailure(`cannot copy ${source}`, target, error);
  }
}

async function isSame(first: string, second: string): Promise<boolean> {
  const [one, other] = [await stat(first), await stat(second)];
  return one.size === other.size && (await digestOf(first)) === (await digestOf(second));
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) if (chunk instanceof Uint8Array) hash.update(chunk);
  return hash.digest('hex');
}
