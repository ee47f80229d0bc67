interface Listed {
  readonly id: string;
}

/** Both, the newest first; undefined when they have nothing in common: there may be a gap between them. */
export function joined<T extends Listed>(newest: readonly T[], older: readonly T[]): T[] | undefined {
  const ids = new Set(newest.map(({ id }) => id));
  const rest = older.filter(({ id }) => !ids.has(id));
  return rest.length === older.length ? undefined : [...newest, ...rest];
}
