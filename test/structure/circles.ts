import { posix } from 'node:path';
import { importsOf, type Source } from './sources.ts';

/** Groups of files that reach each other by their imports, types included; in each the paths are sorted. */
export function circles(sources: readonly Source[]): string[][] {
  const imports = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => posix.join(posix.dirname(source.path), specifier)),
    ]),
  );
  const reached = new Map([...imports.keys()].map((path) => [path, reachedFrom(path, imports)]));
  const reaches = (from: string, to: string): boolean => reached.get(from)?.has(to) ?? false;
  const inCircles = [...imports.keys()].filter((path) => reaches(path, path)).toSorted();
  const groups = inCircles.map((path) =>
    inCircles.filter((other) => reaches(path, other) && reaches(other, path)),
  );
  return groups.filter(([first], index) => first === inCircles[index]);
}

function reachedFrom(path: string, imports: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set<string>();
  const visit = (from: string): void => {
    for (const to of imports.get(from) ?? []) {
      if (found.has(to)) continue;
      found.add(to);
      visit(to);
    }
  };
  visit(path);
  return found;
}
