import { closeSync, linkSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FilerError, messageOf, stackOf } from '@filer/protocol';
import { Folder } from '../../packages/transfer/src/disk/folder.ts';
import { PartialFile } from '../../packages/transfer/src/disk/partial-file.ts';
import { DestinationFolder } from '../../packages/transfer/src/disk/destination-folder.ts';
import { inspectSource, OpenSource } from '../../packages/transfer/src/send/source.ts';
import { freshFolder } from './two-ends.ts';

// A descriptor that was closed behind their back stands for every disk that fails late (EIO, ESTALE).
const unlessByDescriptor = process.platform !== 'linux';

function closeBehindTheBackOf(path: string): void {
  const descriptor = readdirSync('/proc/self/fd').find((fd) => linkOf(fd)?.startsWith(path) === true);
  if (descriptor === undefined) throw new Error(`${path} is not open`);
  closeSync(Number(descriptor));
}

function linkOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return undefined; // the one that listed them
  }
}

describe.skipIf(unlessByDescriptor)('a disk that fails late costs one file and not the process:', () => {
  test('a source that cannot be looked at again is told as unreadable', async () => {
    const file = join(await freshFolder(), 'a');
    await writeFile(file, 'content');
    const source = await OpenSource.open(await inspectSource({ file }));
    await source.handle.close();

    await expect(source.changed()).rejects.toMatchObject({ name: 'FilerError', code: 'path-unreadable' });
    await source[Symbol.asyncDispose]();
  });

  test('a source that was read needs no orderly close', async () => {
    const file = join(await freshFolder(), 'a');
    await writeFile(file, 'content');
    const source = await OpenSource.open(await inspectSource({ file }));
    closeBehindTheBackOf(file);

    await expect(source[Symbol.asyncDispose]()).resolves.toBeUndefined();
  });

  test('a folder that cannot be opened a second time, or synced, or closed', async () => {
    const path = await freshFolder();
    const folder = Folder.openOwn(path);
    closeBehindTheBackOf(path);

    expect(() => folder.again()).toThrow(FilerError);
    await expect(folder.sync()).rejects.toMatchObject({ code: 'home-not-writable' });
    folder[Symbol.dispose]();
  });

  test('a place whose path is refused leaves no folder open', async () => {
    const inbox = await freshFolder();

    await expect(DestinationFolder.open(inbox, 'alice/..', true)).rejects.toMatchObject({
      code: 'name-refused',
    });

    expect(readdirSync('/proc/self/fd').map(linkOf)).not.toContain(inbox);
  });

  test('a part that cannot be closed is removed all the same', async () => {
    const path = await freshFolder();
    using folder = Folder.openOwn(path);
    const part = new PartialFile({ folder, name: 'a', size: 1, mtimeNs: 0n, mode: 0o644, sync: true });
    closeBehindTheBackOf(join(path, '.filer-part-'));

    await part.drop();

    expect(await readdir(path)).toEqual([]);
  });
});

test('no message says the path by which a folder that is held open is reached', async () => {
  const path = await freshFolder();
  using folder = Folder.openOwn(path);
  await rm(path, { recursive: true });
  const inside = folder.at("it's, here");
  const thrownBy = (action: () => unknown): unknown => {
    try {
      return action();
    } catch (error) {
      return error;
    }
  };

  const options = { folder, name: 'a', size: 1, mtimeNs: 0n, mode: 0o644, sync: true };
  const errors = [
    thrownBy(() => new PartialFile(options)),
    thrownBy(() => openSync(inside, 'r')),
    thrownBy(() => linkSync(inside, inside)),
    thrownBy(() => folder.open('b')),
  ];
  for (const error of errors) {
    expect(error).toBeInstanceOf(Error);
    expect(messageOf(error)).toMatch(/ENOENT/);
    expect(messageOf(error)).not.toContain('/proc/');
    expect(stackOf(error)).toMatch(/ENOENT/);
    expect(stackOf(error)).not.toContain('/proc/');
  }
});
