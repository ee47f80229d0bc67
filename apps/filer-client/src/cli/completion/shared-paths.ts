import { setTimeout as wait } from 'node:timers/promises';
import {
  connectDaemon,
  createLogger,
  DaemonClient,
  readConfiguration,
  transportHere,
  type Candidate,
  type CompletionContext,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { LsItem } from '../../api/contract/get.ts';
import { EphemeralDaemon } from '../../daemon/ephemeral-daemon.ts';
import { clientSettings } from '../../settings.ts';

/** A person waits for the answer of another machine with a finger on Tab: what takes longer is not offered, in ms. */
const WIRE_MS = 300;

/** What a peer shares that begins as typed: `bob:docs/pl`. Nothing where it does not answer in time. */
export async function sharedPaths(typed: string, context: CompletionContext): Promise<Candidate[]> {
  const late = AbortSignal.timeout(WIRE_MS);
  return await Promise.race([listed(typed, context, late), wait(WIRE_MS, [], { ref: false })]);
}

async function listed(typed: string, context: CompletionContext, signal: AbortSignal): Promise<Candidate[]> {
  const peer = typed.slice(0, typed.indexOf(':'));
  const folder = typed.slice(peer.length + 1, typed.lastIndexOf('/') + 1);
  const source = `${peer}:${folder}`;
  await using daemon = await openDaemon(context, signal);
  const found: LsItem[] = [];
  const onItem = ({ items }: { readonly items: readonly LsItem[] }): void => void found.push(...items);
  await daemon.call(contract.ls, { source, timeoutMs: WIRE_MS }, { onItem, signal });
  return found.flatMap(({ name, kind }) => {
    if (kind === 'other') return [];
    const isFolder = kind === 'dir' || kind === 'share';
    return [{ text: `${source}${name}${isFolder ? '/' : ''}`, isOpen: isFolder }];
  });
}

async function openDaemon(
  { home, env, version }: CompletionContext,
  signal: AbortSignal,
): Promise<DaemonClient> {
  const running = await connectDaemon(home, { signal });
  if (running !== undefined) return running;
  // Completion is silent.
  const log = await createLogger({ level: 'error', stream: { write: () => undefined } });
  const settings = () => readConfiguration(clientSettings, { home, env, flags: {} });
  const daemon = await EphemeralDaemon.open({ home, software: version, environment: env, log, settings });
  return new DaemonClient(transportHere(daemon.methods, () => daemon[Symbol.asyncDispose]()));
}
