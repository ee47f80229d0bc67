/** `1 file`, `3 files`; `1 entry`, `3 entries` with a plural of its own. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
