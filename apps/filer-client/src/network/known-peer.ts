import { FilerError, nearNames } from '@filer/protocol';
import type { Member } from './member.ts';

/**
 * A filter may name any machine that this one knows or knew: another name is a mistake, and not an empty list.
 *
 * @param seen machines of what is filtered, by the names that are shown there
 * @throws FilerError `no-such-peer`
 */
export function requireKnownPeer(
  member: Member,
  typed: string,
  seen: readonly { readonly id: string; readonly name: string }[] = [],
): void {
  const [name, id] = [typed.toLowerCase(), typed.toUpperCase()];
  const own = { id: member.id, name: member.name };
  const known = [...seen, ...member.directory.peers(), own];
  const isKnown = known.some((each) => each.name === name || each.id === id);
  if (!isKnown && member.directory.pin(name) === undefined)
    throw noPeerCalled(typed, [...new Set(known.map((each) => each.name))]);
}

/** @param names of those that could be meant @returns `no-such-peer` with near names */
export function noPeerCalled(typed: string, names: readonly string[]): FilerError {
  const near = nearNames(typed.toLowerCase(), names);
  return new FilerError(
    'no-such-peer',
    `no peer is called ${typed}${suggestion(near, '`filer-client peers` lists them all')}`,
  );
}

/** @param otherwise what helps where nothing is near */
export function suggestion(near: readonly string[], otherwise: string): string {
  return near.length === 0 ? `: ${otherwise}` : `: did you mean ${near.slice(0, 3).join(' or ')}?`;
}
