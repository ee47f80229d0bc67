import { FilerError, messageOf, type KeyPair, type RemovedBatch, type RemovedFile } from '@filer/protocol';
import type { Expected } from './check-receipts.ts';
import { claimBytes, signClaims, verifyClaims } from './receipts.ts';

type Unsigned = Omit<RemovedBatch, 'publicKey' | 'signature' | 'receiver'>;

/** Signs for what was removed. */
export function signRemoved(batch: Unsigned, receiver: KeyPair): RemovedBatch {
  return signClaims({ ...batch, receiver: receiver.id }, receiver, bytesOf);
}

/** Whether a batch, from the wire or from storage, is what its receiver signed. @throws FilerError `signature-invalid` */
export function verifyRemoved(batch: RemovedBatch): void {
  verifyClaims(batch, bytesOf(batch));
}

/**
 * Whether a batch is the receiver's, for this transfer, and for what was asked.
 *
 * @param asked names that were to be removed
 * @throws FilerError `verification-failed`
 */
export function checkRemoved(batch: RemovedBatch, expected: Expected, asked: ReadonlySet<string>): void {
  const wrong = (why: string, cause?: unknown): FilerError =>
    new FilerError('verification-failed', `what the receiver signed as removed is wrong: ${why}`, { cause });
  for (const key of ['network', 'job', 'sender', 'receiver'] as const)
    if (batch[key] !== expected[key]) throw wrong(`it names another ${key} (${batch[key]})`);
  try {
    verifyRemoved(batch);
  } catch (error) {
    throw wrong(messageOf(error), error);
  }
  const names = new Set(batch.files.map(({ name }) => name));
  const other = batch.files.find(({ name }) => !asked.has(name));
  if (other !== undefined) throw wrong(`it names ${JSON.stringify(other.name)}, which was not asked for`);
  if (names.size < batch.files.length) throw wrong('it names a file twice');
}

/** Laid out as `messages/transfer-extras.ts` of the protocol draws it. */
function bytesOf(batch: Unsigned & { readonly receiver: string }): Buffer {
  return claimBytes('removed', batch, addFields);
}

function addFields(fields: [string, string][], file: RemovedFile, prefix: string): void {
  const { digest, kind, name, path, size } = file;
  if (digest !== undefined) fields.push([`${prefix}.digest`, digest]);
  fields.push([`${prefix}.kind`, kind], [`${prefix}.name`, name]);
  fields.push([`${prefix}.path`, path], [`${prefix}.size`, String(size)]);
}
