import {
  FilerError,
  idOfPublicKey,
  signedBytes,
  verifySignature,
  type KeyPair,
  type ReceiptBatch,
  type ReceiptFile,
} from '@filer/protocol';

type Unsigned = Omit<ReceiptBatch, 'publicKey' | 'signature' | 'receiver'>;

/** Signs for files that are in place. @param batch its files in whatever order */
export function signReceipts(batch: Unsigned, receiver: KeyPair): ReceiptBatch {
  const files = batch.files.toSorted((a, b) => a.entry - b.entry);
  return signClaims({ ...batch, files, receiver: receiver.id }, receiver, bytesOf);
}

/** Signs a list of files with the receiver's key. @param bytesOf lays out what is signed */
export function signClaims<T extends object>(
  claims: T,
  receiver: KeyPair,
  bytesOf: (claims: T) => Buffer,
): T & Pick<ReceiptBatch, 'publicKey' | 'signature'> {
  return {
    ...claims,
    publicKey: receiver.publicKey.toString('base64url'),
    signature: receiver.sign(bytesOf(claims)).toString('base64url'),
  };
}

/**
 * Whether a batch, from the wire or from storage, is what its receiver signed. Needs nothing but the batch.
 *
 * @throws FilerError `signature-invalid`
 */
export function verifyReceipts(batch: ReceiptBatch): void {
  verifyClaims(batch, bytesOf(batch));
}

/** @param bytes what was signed @throws FilerError `signature-invalid` */
export function verifyClaims(
  batch: Pick<ReceiptBatch, 'publicKey' | 'signature' | 'receiver' | 'job'>,
  bytes: Buffer,
): void {
  const publicKey = Buffer.from(batch.publicKey, 'base64url');
  if (idOfPublicKey(publicKey) !== batch.receiver) {
    throw new FilerError(
      'signature-invalid',
      `the receipt of job ${batch.job} holds a key that is not its receiver's`,
    );
  }
  if (!verifySignature(publicKey, bytes, Buffer.from(batch.signature, 'base64url'))) {
    throw new FilerError(
      'signature-invalid',
      `the receipt of job ${batch.job} was altered or is not its receiver's`,
    );
  }
}

/** Laid out as `messages/receipt.ts` of the protocol draws it, in the order in which it is signed. */
function bytesOf(batch: Unsigned & { readonly receiver: string }): Buffer {
  return claimBytes('receipts', batch, addFields);
}

interface Claims<File> {
  readonly network: string;
  readonly job: string;
  readonly sender: string;
  readonly receiver: string;
  readonly time: number;
  readonly files: readonly File[];
}

/** The signed bytes of a list of files. @param addFields adds those of one file; keys are in their byte order */
export function claimBytes<File>(
  kind: string,
  { network, job, sender, receiver, time, files }: Claims<File>,
  addFields: (fields: [string, string][], file: File, prefix: string) => void,
): Buffer {
  const fields: [string, string][] = [['count', String(files.length)]];
  for (const n of Object.keys(files).toSorted()) {
    const file = files[Number(n)];
    if (file !== undefined) addFields(fields, file, `file.${n}`);
  }
  fields.push(['job', job], ['network', network], ['receiver', receiver], ['sender', sender]);
  fields.push(['time', String(time)]);
  return signedBytes(kind, fields);
}

function addFields(fields: [string, string][], file: ReceiptFile, prefix: string): void {
  fields.push(
    [`${prefix}.blocks`, file.blocks],
    [`${prefix}.digest`, file.digest],
    [`${prefix}.entry`, String(file.entry)],
    [`${prefix}.name`, file.name],
    [`${prefix}.path`, file.path],
  );
  if (file.present === true) fields.push([`${prefix}.present`, '1']);
  fields.push([`${prefix}.size`, String(file.size)], [`${prefix}.synced`, file.synced ? '1' : '0']);
}
