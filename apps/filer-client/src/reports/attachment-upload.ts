import { join } from 'node:path';
import { FilerError, formatAttach, parseReportBody, parseStored, type Message } from '@filer/protocol';
import { sendFiles, type FileResult } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import { openUpload } from '../network/server-upload.ts';
import type { SpooledReport } from '../store/spool.ts';

/**
 * Brings the attachments of a report to the server, over a connection of their own. What an earlier try has brought does
 * not travel again. When it returns the server has signed for all of them, or has the report itself already.
 *
 * @param report with a folder
 * @throws FilerError why not: the server's refusal, or that the connection is lost
 */
export async function uploadAttachments(
  member: Member,
  software: string,
  report: SpooledReport,
  signal: AbortSignal,
): Promise<void> {
  const { folder = '', content, spool, seq } = report;
  const { attachments = [] } = parseReportBody(content);
  const { messenger, answer } = await openUpload(member, software, formatAttach({ spool, seq }), signal);
  try {
    if (isStored(answer)) return;
    const outcome = await sendFiles(messenger, {
      files: attachments.map(({ name }, n) => ({ file: join(folder, String(n)), name })),
      network: member.network,
      senderId: member.id,
      receiverId: member.server.id,
      signal,
    });
    signal.throwIfAborted();
    if (outcome.error !== undefined) throw outcome.error;
    const failed = outcome.files.find(({ status }) => status === 'failed');
    if (failed !== undefined) throw failureOf(failed);
  } finally {
    await messenger.close();
  }
}

/** Whether a report of that key is there: then nothing has to come. */
function isStored(answer: Message): boolean {
  if (answer.header['type'] === 'ok') return false;
  parseStored(answer);
  return true;
}

function failureOf({ name, code = 'internal', message = 'it failed' }: FileResult): FilerError {
  return new FilerError(code, `the attachment ${JSON.stringify(name)}: ${message}`);
}
