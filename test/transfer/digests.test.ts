import { blake3 } from '@napi-rs/blake-hash';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FileDigests } from '@filer/transfer';

const MiB = 1024 * 1024;

/** The definition, step by step. */
function expected(content: Buffer): { digest: string; blocks: string } {
  const list: Buffer[] = [];
  for (let at = 0; at < content.length; at += MiB) list.push(blake3(content.subarray(at, at + MiB)));
  return { digest: written(content), blocks: written(Buffer.concat(list)) };
}

const written = (content: Buffer): string => `blake3:${blake3(content).toString('hex')}`;

test.each([0, 1, MiB - 1, MiB, MiB + 1, 2 * MiB, 3 * MiB + 7])(
  '%d bytes have the digests of the definition',
  (size) => {
    const content = Buffer.alloc(size, 'filer');
    const digests = new FileDigests();
    digests.update(content);
    expect(digests.finish()).toEqual(expected(content));
  },
);

test('however a file is cut into pieces, its digests are the same', () => {
  const content = Buffer.alloc(2 * MiB + 99, 'filer');
  fc.assert(
    fc.property(fc.array(fc.nat(content.length), { maxLength: 8 }), (cuts) => {
      const digests = new FileDigests();
      const borders = [0, ...cuts.toSorted((a, b) => a - b), content.length];
      borders.slice(1).forEach((border, n) => digests.update(content.subarray(borders[n], border)));
      expect(digests.finish()).toEqual(expected(content));
    }),
    { numRuns: 20 },
  );
});

test('the digest is that of b3sum', () => {
  const digests = new FileDigests();
  digests.update(Buffer.from('abc'));
  expect(digests.finish().digest).toBe(
    'blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85',
  );
});
