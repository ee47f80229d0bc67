import { join } from 'node:path';
import {
  errorOf,
  FilerError,
  formatAttach,
  parseReportBody,
  parseStored,
  REQUEST_TIMEOUT_MS,
  type Message,
  type Messenger,
} from '@filer/protocol';
import { sendFiles, type FileResult } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import { dialServerForTransfer } from '../network/server-dial.ts';
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
  const messenger = await dialServerForTransfer(member, software, signal);
  try {
    const { header } = formatAttach({ spool, seq });
    const answer = await ask(messenger, header, signal);
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

/** The first question and its answer; what follows belongs to the transfer. */
async function ask(messenger: Messenger, header: Message['header'], signal: AbortSignal): Promise<Message> {
  const giveUp = (): void => messenger.destroy();
  const timer = setTimeout(giveUp, REQUEST_TIMEOUT_MS);
  signal.addEventListener('abort', giveUp);
  try {
    await messenger.send({ ...header, id: '1' });
    const first = await messenger[Symbol.asyncIterator]().next();
    signal.throwIfAborted();
    if (first.done === true) {
      throw (
        (await messenger.closed) ??
        new FilerError('connection-closed', 'the ip-server closed the connection for attachments')
      );
    }
    const answer = first.value;
    if (answer.header['type'] === 'error') throw errorOf(answer.header);
    return answer;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
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
