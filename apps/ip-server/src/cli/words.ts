/** Said once, when a network comes to be. */
export const BACKUP_ADVICE =
  'This is a new network. Back its key up, nobody can be invited or removed without it: ' +
  'ip-server network-key export FILE';

/** `1 machine`, `3 machines`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
