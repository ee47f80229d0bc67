import { FilerError, nearNames } from '@filer/protocol';
import type { ArgumentValues } from '@filer/program';
import type { Member } from '../../store/registry.ts';
import type { ReportQuery } from '../../store/report-store.ts';
import type { reportsArguments } from '../arguments.ts';

/**
 * What was asked for as the store understands it.
 *
 * @throws FilerError `no-such-peer`
 */
export function queryOf(
  args: ArgumentValues<typeof reportsArguments>,
  members: readonly Member[],
  now: number,
): ReportQuery {
  const { peer, group, since, until, title, schedule, kind } = args;
  const peers = [
    ...peer.map((each) => idOf(each, members)),
    ...group.flatMap((each) => idsOfGroup(each, members)),
  ];
  return {
    peers: peers.length === 0 ? undefined : [...new Set(peers)],
    since: since?.(now),
    until: until?.(now),
    title,
    schedule,
    kind,
  };
}

/** The last who had the name: a removed machine's reports are found by its id. */
function idOf(peer: string, members: readonly Member[]): string {
  const memberships = members.map(({ membership }) => membership);
  const found =
    memberships.find(({ id }) => id === peer) ??
    memberships.findLast(({ name }) => name === peer.toLowerCase());
  if (found !== undefined) return found.id;
  const hint = hintOf(
    peer,
    memberships.map(({ name }) => name),
    '"ip-server peers --all" shows who there was',
  );
  throw new FilerError('no-such-peer', `there is no machine ${JSON.stringify(peer)}, ${hint}`);
}

function idsOfGroup(group: string, members: readonly Member[]): string[] {
  const ids = members.flatMap(({ membership: { id, groups } }) => (groups.includes(group) ? [id] : []));
  if (ids.length > 0) return ids;
  const hint = hintOf(
    group,
    members.flatMap(({ membership }) => membership.groups),
    '"ip-server peers" shows the groups of each machine',
  );
  throw new FilerError('no-such-peer', `no machine is in a group ${JSON.stringify(group)}, ${hint}`);
}

function hintOf(typed: string, names: readonly string[], otherwise: string): string {
  const near = nearNames(typed, new Set(names));
  return near.length > 0 ? `did you mean ${near.join(' or ')}?` : otherwise;
}
