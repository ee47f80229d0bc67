import type { Machine } from './collect-store.ts';

/** As much of an id as tells machines of one name apart for people. */
const ID_LENGTH = 8;

/** Whose files the folders below one folder of a collect hold. */
export interface FolderOwners {
  /** Id of a machine; undefined for a folder that has no owner. */
  of(folder: string): string | undefined;
  /** Gives a folder that has no owner one, forever. */
  set(folder: string, peer: string): void;
}

/**
 * The folder of a machine below that of a collect: its name, unless that folder holds the files of another machine,
 * which had the name before.
 */
export function claimedFolder({ peer, name }: Machine, owners: FolderOwners): string {
  const short = `${name}.${peer.slice(0, ID_LENGTH).toLowerCase()}`;
  for (const folder of [name, short]) {
    const owner = owners.of(folder);
    if (owner === undefined) owners.set(folder, peer);
    if (owner === undefined || owner === peer) return folder;
  }
  return `${name}.${peer.toLowerCase()}`;
}
