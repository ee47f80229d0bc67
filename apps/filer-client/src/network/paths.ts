import { direct } from './paths/direct.ts';
import type { Path, Surroundings } from './paths/path.ts';

/** The paths on which peers are dialled, best first: a new one is registered here. @see reverseTo for dialling back */
export const PATHS: Set<Path> = new Set([direct]);

/** `direct`: without a third machine; `relay`: over one, and in no other way. */
export type Ways = 'any' | 'direct' | 'relay';

/** An address of a peer and the path that can dial it. */
export interface Candidate {
  readonly path: Path;
  readonly address: string;
}

/** Those of a record's addresses that can be dialled, best first. @param paths @default all */
export function candidatesOf(
  addresses: readonly string[],
  surroundings: Surroundings,
  paths: Iterable<Path> = PATHS,
): Candidate[] {
  return [...paths].flatMap((path) =>
    path.candidates(addresses, surroundings).map((address) => ({ path, address })),
  );
}
