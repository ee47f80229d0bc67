/* What receivers sign: receipts, with the digests that stand in them, and what was removed. */
import { FileDigests } from '@filer/transfer';
import { keys, layOut, text, type Document } from './signing.ts';

const MIB = 1024 * 1024;
const { network, anna, bob } = keys;

/** The content of the vectors: byte n is n modulo 251. */
export function contentOf(bytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, (_, n) => n % 251));
}

function digestsOf(bytes: number): { readonly digest: string; readonly blocks: string } {
  const digests = new FileDigests();
  digests.update(contentOf(bytes));
  return digests.finish();
}

/** Sizes at which something changes: none, one block, its edges, several. */
const SIZES = [0, 1, 5, 1023, 1025, MIB - 1, MIB, MIB + 1, 3 * MIB + 7];

export const fileDigests = SIZES.map((size) => ({ size, ...digestsOf(size) }));

interface File {
  readonly entry: number;
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly synced: boolean;
  readonly present?: true;
}

function signedFields(files: readonly Document[], about: Document): Document {
  const ofFiles = files.flatMap((file, n) =>
    Object.entries(file).map(([key, value]) => [`file.${n}.${key}`, value] as const),
  );
  return { ...about, count: files.length, ...Object.fromEntries(ofFiles) };
}

const about = {
  network: network.id,
  job: 'job-1',
  sender: anna.id,
  receiver: bob.id,
  time: 1_767_225_840_000,
};

function signedBatch(
  kind: string,
  files: readonly Document[],
): { readonly document: Document; readonly signedBytes: string } {
  const bytes = layOut(kind, signedFields(files, about));
  const document = { ...about, files, publicKey: text(bob.publicKey), signature: text(bob.sign(bytes)) };
  return { document, signedBytes: bytes.toString('hex') };
}

function batch(files: readonly Document[]): { readonly receipts: Document; readonly signedBytes: string } {
  const { document: receipts, signedBytes } = signedBatch('receipts', files);
  return { receipts, signedBytes };
}

function withDigests({ entry, name, path, size, ...rest }: File): Document {
  return { entry, name, path, size, ...digestsOf(size), ...rest };
}

const one = withDigests({
  entry: 0,
  name: 'notes/today.txt',
  path: 'anna/notes/today.txt',
  size: 5,
  synced: true,
});
const present = withDigests({
  entry: 2,
  name: 'notes/old.txt',
  path: 'anna/notes/old.txt',
  size: MIB + 1,
  synced: true,
  present: true,
});
/** More than ten, so that the order of the keys is that of their bytes: file.10 comes before file.2. */
const many = Array.from({ length: 12 }, (_, n) =>
  withDigests({ entry: n, name: `é-${n}`, path: `anna/é-${n}`, size: n, synced: n % 2 === 0 }),
);

export const goodReceipts = [
  { name: 'one file', ...batch([one]) },
  { name: 'a file that came and one that was there', ...batch([one, present]) },
  { name: 'a file that went to standard output', ...batch([{ ...one, path: '-', synced: false }]) },
  { name: 'twelve files', ...batch(many) },
];

const { receipts } = batch([one, present]);
const bad = (
  name: string,
  changed: Document,
  error: string,
): { readonly name: string; readonly receipts: Document; readonly error: string } => ({
  name,
  receipts: { ...receipts, ...changed },
  error,
});

export const badReceipts = [
  bad('another job', { job: 'job-2' }, 'signature-invalid'),
  bad('a file left out', { files: [one] }, 'signature-invalid'),
  bad('another size', { files: [{ ...one, size: 6 }, present] }, 'signature-invalid'),
  bad('present taken away', { files: [one, { ...present, present: undefined }] }, 'signature-invalid'),
  bad('present added', { files: [{ ...one, present: true }, present] }, 'signature-invalid'),
  bad('the key of another machine', { publicKey: text(anna.publicKey) }, 'signature-invalid'),
  bad('present that is false', { files: [{ ...one, present: false }, present] }, 'message-malformed'),
  bad('a key of a file that is not signed', { files: [{ ...one, mode: 420 }, present] }, 'message-malformed'),
  bad('a key of the batch that is not signed', { note: '' }, 'message-malformed'),
  bad('a digest without its prefix', { files: [{ ...one, digest: 'ab'.repeat(32) }] }, 'message-malformed'),
];

const removedFile = {
  name: 'tree/old.txt',
  path: 'anna/tree/old.txt',
  kind: 'file',
  size: 5,
  digest: digestsOf(5).digest,
};
const removedFolder = { name: 'tree/sub', path: 'anna/tree/sub', kind: 'dir', size: 0 };

function removedBatch(files: readonly Document[]): {
  readonly removed: Document;
  readonly signedBytes: string;
} {
  const { document: removed, signedBytes } = signedBatch('removed', files);
  return { removed, signedBytes };
}

export const goodRemoved = [
  { name: 'a file', ...removedBatch([removedFile]) },
  { name: 'a file and a folder', ...removedBatch([removedFile, removedFolder]) },
];

const { removed } = removedBatch([removedFile, removedFolder]);
const badOne = (
  name: string,
  changed: Document,
  error: string,
): { readonly name: string; readonly removed: Document; readonly error: string } => ({
  name,
  removed: { ...removed, ...changed },
  error,
});

export const badRemoved = [
  badOne('a file left out', { files: [removedFolder] }, 'signature-invalid'),
  badOne(
    'another path',
    { files: [{ ...removedFile, path: 'anna/other' }, removedFolder] },
    'signature-invalid',
  ),
  badOne('another sender', { sender: bob.id }, 'signature-invalid'),
  badOne(
    'signed as receipts',
    { signature: signedBatch('receipts', [removedFile, removedFolder]).document['signature'] },
    'signature-invalid',
  ),
  badOne('the key of another machine', { publicKey: text(anna.publicKey) }, 'signature-invalid'),
  badOne('another kind of entry', { files: [{ ...removedFile, kind: 'socket' }] }, 'message-malformed'),
  badOne(
    'a key of a file that is not signed',
    { files: [{ ...removedFile, mode: 420 }] },
    'message-malformed',
  ),
  badOne('a key of the list that is not signed', { note: '' }, 'message-malformed'),
];
