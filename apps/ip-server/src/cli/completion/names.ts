import { readConfiguration, type Candidate, type Completion, type CompletionContext } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { PeerEntry } from '../../api/contract/members.ts';
import { openServer, type ServerClient } from '../../api/server-client.ts';
import { SETTINGS } from '../../settings.ts';
import { openHistory } from '../reports/report-documents.ts';

/** What may stand where a value names something of this server, whether it runs or not. */
export async function namesFor(context: CompletionContext, what: string): Promise<Completion> {
  if (what === 'report') return { candidates: await newestReports(context) };
  const lookUp = NAMES[what];
  if (lookUp === undefined) return { candidates: [] };
  const { home, env } = context;
  const settings = await readConfiguration(SETTINGS, { home, env, flags: {} });
  await using server = await openServer({ home, env, signal: new AbortController().signal }, { settings });
  return { candidates: await lookUp(server) };
}

const NAMES: Readonly<Record<string, (server: ServerClient) => Promise<readonly Candidate[]>>> = {
  peer: async (server) => (await peersOf(server)).map(peerName),
  group: async (server) => [...groupsOf(await peersOf(server))].map((text) => ({ text })),
  target: async (server) => {
    const peers = await peersOf(server);
    return [
      ...peers.map(peerName),
      ...[...groupsOf(peers)].map((group) => ({ text: `@${group}`, about: 'a group' })),
      { text: '@all', about: 'all machines' },
    ];
  },
  schedule: async (server) => {
    const names = (await peersOf(server)).flatMap(({ schedules }) => schedules.map(({ name }) => name));
    return names.map((text) => ({ text }));
  },
  collect: async (server) =>
    (await server.call(contract.collects, {})).collects.map(({ name, from, paths }) => ({
      text: name,
      about: `${paths.join(' ')} from ${from.join(', ')}`,
    })),
  run: async (server) =>
    (await server.call(contract.collects, {})).collects.flatMap(({ name, lastRun }) =>
      lastRun === null ? [] : [{ text: lastRun.run, about: `the newest of ${name}` }],
    ),
  token: async (server) =>
    (await server.call(contract.tokens, {})).tokens.map(({ id, name, role }) => ({
      text: id,
      about: `${name}, ${role}`,
    })),
  invite: async (server) =>
    (await server.call(contract.inviteList, {})).invites
      .filter(({ state }) => state === 'open')
      .map(({ id, used, uses }) => ({ text: id, about: `used ${used} of ${uses}` })),
};

async function peersOf(server: ServerClient): Promise<readonly PeerEntry[]> {
  return (await server.call(contract.peers, { all: false })).peers;
}

function groupsOf(peers: readonly PeerEntry[]): Set<string> {
  return new Set(peers.flatMap(({ groups }) => groups));
}

function peerName({ name, state }: PeerEntry): Candidate {
  return { text: name, about: state };
}

/** The newest of each machine and schedule. */
async function newestReports(context: CompletionContext): Promise<Candidate[]> {
  const store = await openHistory(context);
  try {
    const found: Candidate[] = [];
    for await (const reports of store.reports.latest({})) {
      found.push(...reports.map(({ id, report }) => ({ text: id, about: report.title || report.schedule })));
    }
    return found;
  } finally {
    await store.close();
  }
}
