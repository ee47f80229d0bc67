import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createKeyPair, dial, listen, Messenger, type KeyPair, type Link } from '@filer/protocol';
import {
  receiveFiles,
  sendFiles,
  type ReceiveOptions,
  type ReceiveOutcome,
  type SendOptions,
  type SendOutcome,
} from '@filer/transfer';

/** A fresh folder that goes with the test. */
export async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'filer-transfer-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Two messengers at the ends of one real TCP connection; both are closed with the test. */
export async function connected(): Promise<{ dialler: Messenger; accepter: Messenger }> {
  const { promise, resolve } = Promise.withResolvers<Link>();
  const listener = await listen({ transport: 'tcp', host: '127.0.0.1', port: 0 }, { onConnection: resolve });
  if (!('port' in listener.address)) throw new Error('a TCP listener has a port');
  const link = await dial({ transport: 'tcp', host: '127.0.0.1', port: listener.address.port });
  const dialler = new Messenger(link.socket);
  const accepter = new Messenger((await promise).socket);
  await listener.close();
  onTestFinished(() => {
    dialler.destroy();
    accepter.destroy();
  });
  return { dialler, accepter };
}

/** One who sends and one who receives, each with a folder of its own. */
export interface TwoEnds {
  readonly network: string;
  readonly sender: KeyPair;
  readonly receiver: KeyPair;
  /** Where the sender's files lie. */
  readonly home: string;
  readonly inbox: string;
}

export async function twoEnds(): Promise<TwoEnds> {
  const folder = await freshFolder();
  return {
    network: createKeyPair().id,
    sender: createKeyPair(),
    receiver: createKeyPair(),
    home: folder,
    inbox: join(folder, 'inbox'),
  };
}

/** What the receiver's side of `ends` passes, unless said otherwise. The sender is called alice. */
export function receiveOptions(ends: TwoEnds, options: Partial<ReceiveOptions> = {}): ReceiveOptions {
  const { network, receiver: keyPair, sender, inbox } = ends;
  return { network, keyPair, senderId: sender.id, inbox, folder: 'alice', sync: false, ...options };
}

export function sendOptions(
  ends: TwoEnds,
  files: readonly string[],
  options: Partial<SendOptions> = {},
): SendOptions {
  const { network, sender, receiver, home } = ends;
  const sources = files.map((name) => ({ file: join(home, name), name }));
  return { network, senderId: sender.id, receiverId: receiver.id, files: sources, ...options };
}

/** Sends files of `home` to the inbox over a connection of their own, and closes it. */
export async function transfer(
  ends: TwoEnds,
  files: readonly string[],
  options: { send?: Partial<SendOptions>; receive?: Partial<ReceiveOptions>; receiverDials?: boolean } = {},
): Promise<{ sent: SendOutcome; received: ReceiveOutcome }> {
  const { dialler, accepter } = await connected();
  const [from, to] = options.receiverDials === true ? [accepter, dialler] : [dialler, accepter];
  const [sent, received] = await Promise.all([
    sendFiles(from, sendOptions(ends, files, options.send)),
    receiveFiles(to, receiveOptions(ends, options.receive)),
  ]);
  await from.close();
  await to.close();
  return { sent, received };
}

/** The code of each file, undefined for those that arrived. */
export function codesOf({ files }: SendOutcome): Record<string, string | undefined> {
  return Object.fromEntries(files.map(({ name, code }) => [name, code]));
}
