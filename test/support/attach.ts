import {
  dial,
  encodeReportBody,
  errorOf,
  formatAttach,
  formatReport,
  parseStored,
  sayHello,
  unauthenticatedMessenger,
  type Attachment,
  type Message,
  type Messenger,
  type ReportKey,
} from '@filer/protocol';
import { readDigests, sendFiles, type SendOutcome, type SourceFile } from '@filer/transfer';
import { helloOf, type MemberConnection, type TestMember } from './test-member.ts';

/** A member's connection to its server for a transfer, on which nothing was said yet. */
export async function transferConnection({ server, identity, network }: TestMember): Promise<Messenger> {
  const { host, port, id } = server;
  const link = await dial({ transport: 'tls', host, port, identity, expect: id });
  const messenger = unauthenticatedMessenger(link);
  await sayHello(messenger, helloOf(network, { role: 'command', purpose: 'transfer' }));
  return messenger;
}

/** Asks to attach files to a report. @returns the answer @throws FilerError the refusal */
export async function askToAttach(messenger: Messenger, key: ReportKey): Promise<Message> {
  const { header } = formatAttach(key);
  await messenger.send({ ...header, id: '1' });
  const first = await messenger[Symbol.asyncIterator]().next();
  if (first.done === true) throw (await messenger.closed) ?? new Error('closed without an answer');
  if (first.value.header['type'] === 'error') throw errorOf(first.value.header, messenger.who);
  return first.value;
}

/** Brings files for a report, as an honest daemon does. */
export async function attach(
  member: TestMember,
  key: ReportKey,
  files: readonly SourceFile[],
): Promise<SendOutcome> {
  const messenger = await transferConnection(member);
  try {
    await askToAttach(messenger, key);
    return await sendFiles(messenger, {
      files,
      network: member.network,
      senderId: member.id,
      receiverId: member.server.id,
    });
  } finally {
    await messenger.close();
  }
}

/** What a report says of a file. */
export async function attachmentOf(file: string, name: string): Promise<Attachment> {
  const read = await readDigests(file, 0, undefined);
  if (read === undefined) throw new Error(`${file} is no file`);
  return { name, size: read.size, digest: read.digest };
}

/** Sends a report with attachments. @throws FilerError the server's answer */
export async function reportWith(
  { session }: MemberConnection,
  key: ReportKey,
  attachments: readonly Attachment[],
  time = 1_000,
): Promise<ReportKey> {
  const content = encodeReportBody({ title: '', values: [], schedule: '', attachments });
  return parseStored(await session.ask(formatReport({ ...key, kind: 'user', time }, content)));
}
