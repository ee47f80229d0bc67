import { FilerError, isName, isPeerId, nearNames } from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Member } from '../network/member.ts';
import { noPeerCalled, suggestion } from '../network/known-peer.ts';
import { changedIdentity } from '../network/pins.ts';

/**
 * The peers that a person means: a name, an id, `@group` or `@all`. Decided from the directory on disk; this
 * machine itself is never among a group.
 *
 * @throws FilerError `no-such-peer` with near names, `identity-changed`, `removed`
 */
export function resolveTargets(member: Member, targets: readonly string[]): KnownPeer[] {
  const found = new Map<string, KnownPeer>();
  for (const target of targets) {
    for (const peer of target.startsWith('@') ? group(member, target) : [one(member, target)])
      found.set(peer.id, peer);
  }
  return [...found.values()];
}

function group(member: Member, target: string): KnownPeer[] {
  const name = target.slice(1);
  const others = livingPeers(member).filter((peer) => name === 'all' || peer.groups.includes(name));
  if (others.length > 0) return others;
  const groups = [...new Set(livingPeers(member).flatMap((peer) => peer.groups))];
  throw new FilerError(
    'no-such-peer',
    name === 'all'
      ? 'there is no other machine in this network yet'
      : `no other machine is in the group ${target}${suggestion(
          nearNames(name, groups).map((near) => `@${near}`),
          '`filer-client peers` lists groups',
        )}`,
  );
}

function one(member: Member, target: string): KnownPeer {
  const name = target.toLowerCase();
  if (target === member.name || target.toUpperCase() === member.id) {
    throw new FilerError(
      'no-such-peer',
      `${target} is this machine itself: name another one, see \`filer-client peers\``,
    );
  }
  const pin = member.directory.pin(name);
  if (pin?.claimedBy !== undefined) throw changedIdentity(name, pin.id, pin.claimedBy);
  const id = pin?.id ?? target.toUpperCase();
  const peer = isName(name) || isPeerId(id) ? member.directory.byId(id) : undefined;
  if (peer !== undefined && member.removals.has(peer.id)) {
    throw new FilerError('removed', `${target} was removed from the network`);
  }
  if (pin !== undefined && peer !== undefined && peer.state !== 'gone' && peer.name !== name) {
    throw new FilerError(
      'no-such-peer',
      `no peer is called ${target}: that machine is now called ${peer.name}`,
    );
  }
  if (peer === undefined || peer.state === 'gone') {
    throw noPeerCalled(
      target,
      livingPeers(member).map((known) => known.name),
    );
  }
  return peer;
}

function livingPeers(member: Member): KnownPeer[] {
  return member.directory
    .peers()
    .filter((peer) => peer.id !== member.id && peer.state !== 'gone' && !member.removals.has(peer.id));
}
