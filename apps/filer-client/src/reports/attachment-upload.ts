import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import {
  FilerError,
  formatAttach,
  formatJson,
  parseReportBody,
  parseStored,
  type Message,
  type ReceiptBatch,
} from '@filer/protocol';
import { sendFiles, type FileResult } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import { openUpload } from '../network/server-upload.ts';
import type { SpooledReport } from '../store/spool.ts';

/**
 * Brings the attachments of a report to the server, over a connection of their own. What an earlier try has brought does
 * not travel again. When it returns the server has signed for all of them, or says that it has the report itself already.
 *
 * @param report with a folder, where the receipts are kept
 * @returns whether the server has signed for all of them, now or before
 * @throws FilerError why not: the server's refusal, or that the connection is lost
 */
export async function uploadAttachments(
  member: Member,
  software: string,
  report: SpooledReport,
  signal: AbortSignal,
): Promise<boolean> {
  const { folder = '', content, spool, seq } = report;
  const { attachments = [] } = parseReportBody(content);
  const attach = formatAttach({ spool, seq });
  const { messenger, server, answer } = await openUpload(member, software, attach, signal);
  try {
    const receipts = join(folder, RECEIPTS);
    if (isStored(answer)) return existsSync(receipts);
    const batches: ReceiptBatch[] = [];
    const outcome = await sendFiles(messenger, {
      files: attachments.map(({ name }, n) => ({ file: join(folder, String(n)), name })),
      network: member.network,
      senderId: member.id,
      receiverId: server,
      limit: member.limits.send,
      signal,
      keep: (batch) => void batches.push(batch),
    });
    signal.throwIfAborted();
    if (outcome.error !== undefined) throw outcome.error;
    const failed = outcome.files.find(({ status }) => status === 'failed');
    if (failed !== undefined) throw failureOf(failed);
    // Before the report goes: afterwards the server may say that nothing has to come.
    await writeSynced(receipts, formatJson(batches));
    return true;
  } finally {
    await messenger.close();
  }
}

/** In a report's folder, once the server has signed for all files there. */
const RECEIPTS = 'receipts.json';

async function writeSynced(path: string, content: Uint8Array): Promise<void> {
  await using file = await open(path, 'w', 0o600);
  await file.writeFile(content);
  await file.sync();
}

/** Whether a report of that key is there: then nothing has to come. */
function isStored(answer: Message): boolean {
  if (answer.header['type'] === 'ok') return false;
  parseStored(answer);
  return true;
}

/**
 * Why a report waits for its attachment. A server's `refused` stands for each code that is not its to say, such as that bytes
 * were altered on their way: another try may succeed, so it is not `refused` here, which sets the report aside.
 */
export function failureOf({
  name,
  code = 'internal',
  message = 'it failed',
  failedBy,
}: FileResult): FilerError {
  const isUnclear = failedBy === 'peer' && code === 'refused';
  return new FilerError(isUnclear ? 'internal' : code, `the attachment ${JSON.stringify(name)}: ${message}`);
}
