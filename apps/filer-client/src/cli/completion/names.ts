import {
  connectDaemon,
  createLogger,
  DaemonClient,
  readConfiguration,
  transportHere,
  type Candidate,
  type Completion,
  type CompletionContext,
} from '@filer/program';
import { jobDocument } from '../../jobs/job-documents.ts';
import type { Member } from '../../network/member.ts';
import { ScheduleTable } from '../../reports/schedule-table.ts';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { KeptJob } from '../../store/job-rows.ts';
import { openMember } from '../home-member.ts';
import { pathsInWords } from '../files/job-messages.ts';
import { setTimeout as wait } from 'node:timers/promises';
import { contract } from '../../api/contract.ts';
import type { LsItem } from '../../api/contract/get.ts';
import { EphemeralDaemon } from '../../daemon/ephemeral-daemon.ts';
import { clientSettings } from '../../settings.ts';

/** Jobs, messages and reports that are offered: the newest. */
const MOST = 100;

/** Of an id that is completed: as much as lists show of it. */
const ID_CHARACTERS = 8;

/** What may stand where a value names something of this machine or its network. Read from the home, whether a daemon runs or not. */
export async function namesFor(
  context: CompletionContext,
  what: string,
  typed: string,
  others: readonly string[],
): Promise<Completion> {
  // The recipient may stand behind what is sent.
  if (what === 'sent' && others.length === 0) return { candidates: [], paths: 'file' };
  if (what === 'shared' && typed.includes(':')) return { candidates: await sharedPaths(typed, context) };
  const lookUp = NAMES[what];
  if (lookUp === undefined) return { candidates: [] };
  using member = await openMember(context);
  return {
    candidates: lookUp(member, typed),
    ...(mayBePath(what, others) ? { paths: 'file' as const } : {}),
  };
}

/** The destination of a get stands behind what is fetched. */
function mayBePath(what: string, others: readonly string[]): boolean {
  return what === 'sent' || (what === 'shared' && others.length > 0);
}

const NAMES: Readonly<Record<string, (member: Member, typed: string) => readonly Candidate[]>> = {
  peer: (member) => peersOf(member).map(peerName),
  target: targetsOf,
  sent: (member, typed) => {
    const before = typed.slice(0, typed.lastIndexOf(',') + 1);
    return targetsOf(member).map((each) => ({ ...each, text: `${before}${each.text}:`, isOpen: true }));
  },
  group: (member) => [...groupsOf(member)].map((text) => ({ text })),
  shared: (member) =>
    peersOf(member).map((peer) => ({ ...peerName(peer), text: `${peer.name}:`, isOpen: true })),
  share: (member) => member.shares.all().map(({ name, folder }) => ({ text: name, about: folder })),
  watch: (member) => member.watches.all().map(({ name, folder }) => ({ text: name, about: folder })),
  schedule: (member) => ScheduleTable.of(member).entries.map(({ name }) => ({ text: name })),
  job: (member) =>
    member.jobs
      .list({ limit: MOST })
      .toReversed()
      .map((job) => jobIn(member, job)),
  'active-job': (member) => member.jobs.open().map((job) => jobIn(member, job)),
  message: (member) =>
    member.messages
      .all()
      .slice(-MOST)
      .map(({ id, text }) => ({
        text: id.slice(0, ID_CHARACTERS),
        about: text.replaceAll(/\s+/g, ' ').slice(0, 50),
      })),
  offer: (member) =>
    member.offers
      .all()
      .filter(({ state }) => state === 'waiting' || state === 'lost')
      .map(({ id, fromName, names }) => ({
        text: id.slice(0, ID_CHARACTERS),
        about: `${fromName}: ${names.slice(0, 2).join(', ')}`,
      })),
  'page-session': (member) => [
    ...member.pageSessions.all().map(({ id, browser }) => ({ text: id, about: browser.slice(0, 50) })),
    { text: 'all', about: 'every browser' },
  ],
  'refused-report': (member) =>
    [...member.spool.lines()].flatMap(({ seq, refused }) =>
      refused === undefined ? [] : [{ text: String(seq), about: refused.reason }],
    ),
};

function targetsOf(member: Member): Candidate[] {
  return [
    ...peersOf(member).map(peerName),
    ...[...groupsOf(member)].map((group) => ({ text: `@${group}`, about: 'a group' })),
    { text: '@all', about: 'everyone' },
  ];
}

/** Other members, as the directory on disk has them. */
function peersOf(member: Member): KnownPeer[] {
  return member.directory
    .peers()
    .filter(({ id, state }) => id !== member.id && state !== 'gone' && !member.removals.has(id));
}

function groupsOf(member: Member): Set<string> {
  return new Set([...member.groups, ...peersOf(member).flatMap(({ groups }) => groups)]);
}

function peerName({ name, state, groups }: KnownPeer): Candidate {
  const where = groups.map((group) => `@${group}`).join(' ');
  return {
    text: name,
    about: `${state === 'online' ? 'online' : 'offline'}${where === '' ? '' : `, ${where}`}`,
  };
}

function jobIn(member: Member, job: KeptJob): Candidate {
  const document = jobDocument(member, job);
  const to = document.recipients
    .map(({ name }) => name)
    .slice(0, 3)
    .join(', ');
  return { text: job.id, about: `${document.state}: ${pathsInWords(document)} to ${to}` };
}

/** A person waits for the answer of another machine with a finger on Tab: what takes longer is not offered, in ms. */
const WIRE_MS = 300;

/** What a peer shares that begins as typed: `bob:docs/pl`. Nothing where it does not answer in time. */
async function sharedPaths(typed: string, context: CompletionContext): Promise<Candidate[]> {
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
