import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FileDigests } from '@filer/transfer';

const MiB = 1024 * 1024;

/** The definition, step by step, from nothing but the digest of a whole. */
function expected(content: Buffer): { digest: string; blocks: string } {
  const list: Buffer[] = [];
  for (let at = 0; at < content.length; at += MiB) {
    list.push(Buffer.from(whole(content.subarray(at, at + MiB)).slice('blake3:'.length), 'hex'));
  }
  return { digest: whole(content), blocks: whole(Buffer.concat(list)) };
}

function whole(content: Buffer): string {
  const digests = new FileDigests();
  digests.update(content);
  return digests.finish().digest;
}

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

// From the test vectors of BLAKE3: bytes 0 to 250, again and again.
test.each([
  [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
  [102_400, 'bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085'],
])('the digest of %d bytes is that of b3sum', (size, hex) => {
  expect(whole(Buffer.from(Uint8Array.from({ length: size }, (_, n) => n % 251)))).toBe(`blake3:${hex}`);
});
