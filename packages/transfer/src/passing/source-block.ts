import { closeSync, openSync, readSync } from 'node:fs';
import { FilerError, systemCode } from '@filer/protocol';
import { digestOfBlock, digestText } from '../digests/digests.ts';
import { atSource, openFlags, type Source } from '../send/source.ts';

/**
 * Reads a block of a source once more, long after it was digested.
 *
 * @param digest that it had
 * @throws FilerError `connection-closed` when it is another one by now: the next try sends what the file is then
 */
export function readSourceBlock(source: Source, offset: number, bytes: number, digest: string): Buffer {
  const content = read(source, offset, bytes);
  if (content !== undefined && digestText(digestOfBlock(content)) === digest) return content;
  const what = JSON.stringify(source.name.toWellFormed());
  throw new FilerError('connection-closed', `${what} changed while other recipients passed it on`);
}

function read(source: Source, offset: number, bytes: number): Buffer | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = atSource(source, (path) => openSync(path, openFlags(source)));
    const content = Buffer.allocUnsafeSlow(bytes);
    for (let got = 0; got < bytes;) {
      const some = readSync(descriptor, content, got, bytes - got, offset + got);
      if (some === 0) return undefined;
      got += some;
    }
    return content;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
