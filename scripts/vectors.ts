/* Writes the vectors of signed documents, ids, invites and receipts into packages/protocol/vectors/: `npm run vectors`. */
import { writeFile } from 'node:fs/promises';
import { keys } from './vectors/signing.ts';
import { badDocuments, goodDocuments } from './vectors/documents.ts';
import { badIds, badInvites, goodIds, goodInvites } from './vectors/invites.ts';
import { badReceipts, badRemoved, fileDigests, goodReceipts, goodRemoved } from './vectors/receipts.ts';

const FOLDER = new URL('../packages/protocol/vectors/', import.meta.url);

/** The files, by name. */
export const vectorFiles: Readonly<Record<string, object>> = {
  'ids.json': { good: goodIds, bad: badIds },
  'documents.json': { network: keys.network.id, good: goodDocuments, bad: badDocuments },
  'invites.json': { good: goodInvites, bad: badInvites },
  'receipts.json': { good: goodReceipts, bad: badReceipts },
  'removed.json': { good: goodRemoved, bad: badRemoved },
  'digests.json': { good: fileDigests },
};

/** As it is written. */
export function textOf(vectors: object): string {
  return `${JSON.stringify(vectors, null, 2)}\n`;
}

if (import.meta.main) {
  for (const [name, vectors] of Object.entries(vectorFiles))
    await writeFile(new URL(name, FOLDER), textOf(vectors));
}
