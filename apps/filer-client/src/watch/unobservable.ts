/** Why the system does not tell of all changes in a folder, and what helps. @param code of its refusal */
export function unobservable(code: string, rescanMs: number): string {
  const often = `so it is looked through every ${Math.round(rescanMs / 1_000)} s`;
  const andThen = 'with sysctl';
  switch (code) {
    case 'ENOSPC':
      return `the system cannot watch further folders for this user, ${often}: raise fs.inotify.max_user_watches ${andThen}`;
    case 'EMFILE':
      return `the system has no room for another watcher of this user, ${often}: raise fs.inotify.max_user_instances ${andThen}`;
    default:
      return `the system does not tell of all changes (${code}), ${often}`;
  }
}
